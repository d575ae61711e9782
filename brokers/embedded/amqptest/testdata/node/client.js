// What an application does with amqplib, against the broker whose AMQP URL is the first argument.
// Each step asserts; the program ends with 0 when all of them held.
'use strict'
const assert = require('node:assert/strict')
const { randomBytes } = require('node:crypto')
const { once } = require('node:events')
const amqp = require('amqplib')

const url = process.argv[2]
const prefix = `amqptest-amqplib-${randomBytes(5).toString('hex')}-`

// take resolves with the next n deliveries of a queue.
async function take (channel, queue, n, options, answer = () => {}) {
  const seen = []
  let tag
  await new Promise((resolve, reject) => {
    channel.consume(queue, message => {
      if (message === null) return reject(new Error('the consumer was cancelled'))
      seen.push(message)
      answer(message, seen.length)
      if (seen.length === n) resolve()
    }, options).then(ok => { tag = ok.consumerTag }, reject)
  })
  await channel.cancel(tag)
  return seen
}

// refused asserts that the broker closes the channel that do uses, with code.
async function refused (connection, code, act) {
  const channel = await connection.createChannel()
  const closed = once(channel, 'error')
  await act(channel).catch(() => {})
  assert.equal((await closed)[0].code, code)
}

async function publishAndGet (connection) {
  const channel = await connection.createConfirmChannel()
  const { queue } = await channel.assertQueue('', { exclusive: true })
  const headers = {
    text: 't', int: 7, long: 2 ** 40, float: 0.5, bool: true, none: null, list: [1, 'two', null], table: { deep: { er: 1 } },
    bytes: Buffer.from([0, 255])
  }
  const properties = {
    contentType: 'application/json', contentEncoding: 'utf-8', headers, persistent: true, priority: 3, correlationId: 'c', replyTo: 'r',
    expiration: '60000', messageId: 'm', timestamp: 1700000000, type: 't', userId: 'guest', appId: 'a'
  }
  channel.sendToQueue(queue, Buffer.from('{}'), properties)
  await channel.waitForConfirms()
  const got = await channel.get(queue, { noAck: true })
  assert.equal(got.content.toString(), '{}')
  assert.deepEqual({ ...got.properties.headers }, headers)
  for (const name of ['contentType', 'contentEncoding', 'priority', 'correlationId', 'replyTo', 'expiration', 'messageId', 'timestamp', 'type', 'userId', 'appId']) {
    assert.equal(got.properties[name], properties[name], name)
  }
  assert.equal(got.properties.deliveryMode, 2)
  assert.equal(await channel.get(queue, { noAck: true }), false)

  const returned = once(channel, 'return')
  channel.publish('', prefix + 'nowhere', Buffer.from('x'), { mandatory: true })
  assert.equal((await returned)[0].fields.replyCode, 312)

  const body = randomBytes(2 << 20)
  channel.sendToQueue(queue, body)
  channel.sendToQueue(queue, Buffer.alloc(0))
  await channel.waitForConfirms()
  const messages = await take(channel, queue, 2, { noAck: true })
  assert.ok(messages[0].content.equals(body))
  assert.equal(messages[1].content.length, 0)

  const full = await channel.assertQueue('', { exclusive: true, arguments: { 'x-max-length': 1, 'x-overflow': 'reject-publish' } })
  channel.sendToQueue(full.queue, Buffer.from('fits'))
  await channel.waitForConfirms()
  await new Promise((resolve, reject) => {
    channel.sendToQueue(full.queue, Buffer.from('does not'), {}, err => err ? resolve() : reject(new Error('acked, want a nack')))
  })
  await channel.close()
}

async function consume (connection) {
  const channel = await connection.createChannel()
  const exchange = prefix + 'headers'
  const queue = prefix + 'work'
  const dead = prefix + 'dead'
  await channel.assertExchange(exchange, 'headers', { autoDelete: true, durable: false })
  await channel.assertQueue(dead, { exclusive: true })
  await channel.assertQueue(queue, { exclusive: true, deadLetterExchange: '', deadLetterRoutingKey: dead })
  await channel.bindQueue(queue, exchange, '', { 'x-match': 'any', region: 'eu', urgent: true })
  for (const [body, headers] of [['0', { region: 'eu' }], ['1', { urgent: true }], ['no', { region: 'us' }], ['2', { region: 'eu' }]]) {
    channel.publish(exchange, 'key', Buffer.from(body), { headers })
  }
  await channel.prefetch(1)
  const seen = await take(channel, queue, 4, {}, (message, n) => {
    if (n === 1) channel.nack(message, false, true)
    else if (message.content.toString() === '1') channel.reject(message, false)
    else channel.ack(message)
  })
  assert.deepEqual(seen.map(m => [m.content.toString(), m.fields.redelivered]), [['0', false], ['0', true], ['1', false], ['2', false]])
  const [letter] = await take(channel, dead, 1, { noAck: true })
  const death = letter.properties.headers['x-death'][0]
  assert.deepEqual([death.queue, death.reason, death.count, death.exchange, death['routing-keys']], [queue, 'rejected', 1, exchange, ['key']])
  await channel.close()
}

async function request (connection) {
  const requester = await connection.createChannel()
  const server = await connection.createChannel()
  const { queue } = await server.assertQueue('', { exclusive: true })
  await server.consume(queue, question => {
    server.sendToQueue(question.properties.replyTo, Buffer.from(question.content + '!'), { correlationId: question.properties.correlationId })
    server.ack(question)
  })
  const reply = new Promise(resolve => requester.consume('amq.rabbitmq.reply-to', resolve, { noAck: true }))
  requester.sendToQueue(queue, Buffer.from('question'), { replyTo: 'amq.rabbitmq.reply-to', correlationId: '7' })
  const message = await reply
  assert.deepEqual([message.content.toString(), message.properties.correlationId], ['question!', '7'])
}

async function errors (connection) {
  await refused(connection, 404, channel => channel.checkQueue(prefix + 'missing'))
  await refused(connection, 404, channel => channel.checkExchange(prefix + 'missing'))
  await refused(connection, 403, channel => channel.assertExchange('amq.mine', 'direct'))
  const queue = prefix + 'durable'
  const channel = await connection.createChannel()
  await channel.assertQueue(queue, { durable: true })
  await refused(connection, 406, other => other.assertQueue(queue, { durable: false }))
  await refused(connection, 406, other => Promise.resolve(other.ack({ fields: { deliveryTag: 9 } })))
  const cancelled = new Promise(resolve => channel.consume(queue, resolve))
  const other = await connection.createChannel()
  await channel.checkQueue(queue)
  await other.deleteQueue(queue)
  assert.equal(await cancelled, null)
  await assert.rejects(amqp.connect(url.replace('guest:guest', 'guest:wrong')), /ACCESS_REFUSED|403/)
  await assert.rejects(amqp.connect(url + '/nowhere'))
}

async function main () {
  const connection = await amqp.connect(url)
  await publishAndGet(connection)
  await consume(connection)
  await request(connection)
  await errors(connection)
  await connection.close()
}

setTimeout(() => { console.error('not done within 60 s'); process.exit(1) }, 60000).unref()
main().catch(err => { console.error(err); process.exit(1) })
