package journal

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// show writes a Line in one row, leaving out what it does not have.
func show(l Line) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s|%s|%q", l.Format, l.Level, l.Message)
	for _, f := range l.Fields {
		fmt.Fprintf(&b, "|%s=%s", f.Key, f.Value)
	}
	for _, named := range [...]Field{{"caller", l.Caller}, {"trace", l.Trace}, {"span", l.Span}} {
		if named.Value != "" {
			fmt.Fprintf(&b, "|<%s>%s", named.Key, named.Value)
		}
	}
	if !l.Time.IsZero() {
		fmt.Fprintf(&b, "|@%s", l.Time.Format(time.RFC3339Nano))
	}
	return b.String()
}

var lines = []struct{ writer, text, want string }{
	// JSON
	{"slog", `{"time":"2024-05-01T10:00:00.5+02:00","level":"INFO","source":{"function":"main.main","file":"/app/main.go","line":12},"msg":"started","port":8080}`,
		`json|info|"started"|source.function=main.main|port=8080|<caller>/app/main.go:12|@2024-05-01T08:00:00.5Z`},
	{"slog levels", `{"level":"ERROR+4","msg":"x"}`, `json|error|"x"`},
	{"zap", `{"level":"warn","ts":1714557600.25,"logger":"api","caller":"server/http.go:7","msg":"slow","took":0.8,"stacktrace":"a\n\tb"}`,
		"json|warn|\"slow\"|logger=api|took=0.8|stacktrace=a\n\tb|<caller>server/http.go:7|@2024-05-01T10:00:00.25Z"},
	{"zerolog", `{"level":"debug","time":1714557600,"message":"hello","ok":true,"none":null}`,
		`json|debug|"hello"|ok=true|none=null|@2024-05-01T10:00:00Z`},
	{"logrus", `{"file":"/app/a.go:3","func":"main.f","level":"fatal","msg":"bye","time":"2024-05-01T10:00:00Z"}`,
		`json|fatal|"bye"|func=main.f|<caller>/app/a.go:3|@2024-05-01T10:00:00Z`},
	{"pino", `{"level":50,"time":1714557600123,"pid":1,"hostname":"h","req":{"method":"GET","url":"/"},"msg":"failed"}`,
		`json|error|"failed"|pid=1|hostname=h|req.method=GET|req.url=/|@2024-05-01T10:00:00.123Z`},
	{"bunyan", `{"name":"api","v":0,"level":30,"msg":"up","time":"2024-05-01T10:00:00.000Z"}`,
		`json|info|"up"|name=api|v=0|@2024-05-01T10:00:00Z`},
	{"logstash", `{"@timestamp":"2024-05-01T10:00:00.000Z","@version":"1","message":"m","logger_name":"a.B","level":"WARN","level_value":30000}`,
		`json|warn|"m"|@version=1|logger_name=a.B|level_value=30000|@2024-05-01T10:00:00Z`},
	{"ECS", `{"@timestamp":"2024-05-01T10:00:00.000Z","log":{"level":"error","logger":"x"},"message":"m","trace":{"id":"4BF92F3577B34DA6A3CE929D0E0E4736"},"span":{"id":"00f067aa0ba902b7"}}`,
		`json|error|"m"|log.logger=x|<trace>4bf92f3577b34da6a3ce929d0e0e4736|<span>00f067aa0ba902b7|@2024-05-01T10:00:00Z`},
	{"ECS dotted", `{"log.level":"info","message":"m","trace.id":"4bf92f3577b34da6a3ce929d0e0e4736","log.origin":{"file.name":"A.java","file.line":9}}`,
		`json|info|"m"|<caller>A.java:9|<trace>4bf92f3577b34da6a3ce929d0e0e4736`},
	{"Datadog", `{"status":"ok","msg":"m","dd.trace_id":"1234567890123456789","dd.span_id":"255"}`,
		`json|none|"m"|status=ok|<trace>0000000000000000112210f47de98115|<span>00000000000000ff`},
	{"traceparent", `{"msg":"m","traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}`,
		`json|none|"m"|<trace>4bf92f3577b34da6a3ce929d0e0e4736|<span>00f067aa0ba902b7`},
	{"camel case", `{"msg":"m","traceID":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"00f067aa0ba902b7"}`,
		`json|none|"m"|<trace>4bf92f3577b34da6a3ce929d0e0e4736|<span>00f067aa0ba902b7`},
	{"Google Cloud", `{"severity":"NOTICE","message":"m","logging.googleapis.com/trace":"projects/p/traces/4bf92f3577b34da6a3ce929d0e0e4736"}`,
		`json|info|"m"|<trace>4bf92f3577b34da6a3ce929d0e0e4736`},
	{"no trace id", `{"msg":"m","trace":"at a.b(c)","trace_id":"00000000000000000000000000000000"}`,
		`json|none|"m"|trace=at a.b(c)|trace_id=00000000000000000000000000000000`},
	{"Serilog", `{"@t":"2024-05-01T10:00:00Z","@mt":"Hi {Name}","@l":"Warning","Name":"x"}`,
		`json|warn|"Hi {Name}"|Name=x|@2024-05-01T10:00:00Z`},
	{"MongoDB", `{"t":{"$date":"2024-05-01T10:00:00.000+00:00"},"s":"W","c":"NETWORK","id":1,"ctx":"main","msg":"m","attr":{"a":1}}`,
		`json|warn|"m"|c=NETWORK|id=1|ctx=main|attr.a=1|@2024-05-01T10:00:00Z`},
	{"structlog", `{"event":"ordered","level":"info","n":[1,{"a":"]"}],"o":{}}`,
		`json|info|"ordered"|n=[1,{"a":"]"}]|o={}`},
	{"event beside a message", `{"event":"e","msg":"m"}`, `json|none|"m"|event=e`},
	{"escapes", `{"msg":"a \"b\" \u00e4\ud83d\ude00\/\n","k\"":"v"}`, "json|none|\"a \\\"b\\\" ä😀/\\n\"|k\\\"=v"},
	{"a level twice", `{"level":"info","severity":"error","msg":"m"}`, `json|info|"m"|severity=error`},
	{"no level", `{"level":"gold","severity":"warn","msg":"m"}`, `json|warn|"m"|level=gold`},
	{"text behind", `{"level":"info","msg":"m"} and more`, `json|info|"m and more"`},
	{"broken off", `{"level":"info","msg":"m","a":"unfini`, `json|info|"m"|a=unfini`},
	{"deep", `{"a":{"b":{"c":{"d":{"e":{"f":1}}}}}}`, `json|none|""|a.b.c.d.e={"f":1}`},
	{"a set", `{foo, bar}`, `plain|none|"{foo, bar}"`},
	{"empty", `{}`, `plain|none|"{}"`},

	// logfmt
	{"logrus", `time="2024-05-01T10:00:00Z" level=warning msg="a \"b\"" size=10`, `logfmt|warn|"a \"b\""|size=10|@2024-05-01T10:00:00Z`},
	{"go-kit", `ts=2024-05-01T10:00:00.1Z caller=main.go:30 level=info component="api server" traceID=4bf92f3577b34da6a3ce929d0e0e4736`,
		`logfmt|info|""|component=api server|<caller>main.go:30|<trace>4bf92f3577b34da6a3ce929d0e0e4736|@2024-05-01T10:00:00.1Z`},
	{"two pairs", `method=GET path=/a?b=c status=200`, `logfmt|none|""|method=GET|path=/a?b=c|status=200`},
	{"words between", `level=info starting server port=80`, `logfmt|info|"starting server"|port=80`},
	{"one pair is no logfmt", `PATH=/usr/bin:/bin`, `plain|none|"PATH=/usr/bin:/bin"`},
	{"a comparison", `a==b c==d`, `plain|none|"a==b c==d"`},

	// plain
	{"klog", `W0502 15:04:05.123456       1 reflector.go:12] watch ended`, `plain|warn|"watch ended"|pid=1|<caller>reflector.go:12`},
	{"klog structured", `I0502 15:04:05.123456       1 a.go:1] "Pod status updated" pod="kube-system/dns" n=1`,
		`plain|info|"Pod status updated"|pid=1|pod=kube-system/dns|n=1|<caller>a.go:1`},
	{"nginx", `2024/05/01 10:00:00 [error] 29#30: *1 open() failed, client: 1.2.3.4`, `plain|error|"*1 open() failed, client: 1.2.3.4"|pid=29|@2024-05-01T10:00:00Z`},
	{"PostgreSQL", `2024-05-01 10:00:00.123 UTC [42] FATAL:  role "x" does not exist`, `plain|fatal|"role \"x\" does not exist"|pid=42|@2024-05-01T10:00:00.123Z`},
	{"PostgreSQL log", `2024-05-01 10:00:00.123 UTC [1] LOG:  ready`, `plain|info|"ready"|pid=1|@2024-05-01T10:00:00.123Z`},
	{"MySQL", `2024-05-01T10:00:00.000000Z 0 [Warning] [MY-010068] [Server] CA is self signed.`, `plain|warn|"[MY-010068] [Server] CA is self signed."|pid=0|@2024-05-01T10:00:00Z`},
	{"RabbitMQ", `2024-05-01 10:00:00.123456+00:00 [info] <0.9.0> Server startup complete`, `plain|info|"<0.9.0> Server startup complete"|@2024-05-01T10:00:00.123456Z`},
	{"Kafka", `[2024-05-01 10:00:00,123] INFO started (kafka.server.KafkaServer)`, `plain|info|"started (kafka.server.KafkaServer)"|@2024-05-01T10:00:00.123Z`},
	{"Redis", `1:M 01 May 2024 10:00:00.123 # Warning: no config`, `plain|warn|"Warning: no config"|pid=1|role=M|@2024-05-01T10:00:00.123Z`},
	{"log4j", `2024-05-01 10:00:00,123 [main] ERROR com.foo.Bar - it failed`, `plain|error|"it failed"|thread=main|logger=com.foo.Bar|@2024-05-01T10:00:00.123Z`},
	{"logback", `10:00:00.123 [http-1] WARN  com.foo.Bar -- slow`, `plain|warn|"slow"|thread=http-1|logger=com.foo.Bar`},
	{"Spring Boot", `2024-05-01T10:00:00.123+02:00  INFO 1 --- [orders] [main] c.f.Application                  : Started in 2 s`,
		`plain|info|"Started in 2 s"|pid=1|thread=orders|thread=main|logger=c.f.Application|@2024-05-01T08:00:00.123Z`},
	{"Spring Boot traced", `2024-05-01T10:00:00.123Z  INFO 1 --- [main] [4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7] c.f.A : m`,
		`plain|info|"m"|pid=1|thread=main|logger=c.f.A|<trace>4bf92f3577b34da6a3ce929d0e0e4736|<span>00f067aa0ba902b7|@2024-05-01T10:00:00.123Z`},
	{"Sleuth", `2024-05-01 10:00:00.123  INFO [orders,4bf92f3577b34da6a3ce929d0e0e4736,00f067aa0ba902b7] 7 --- [main] a.B : m`,
		`plain|info|"m"|pid=7|thread=main|logger=a.B|<trace>4bf92f3577b34da6a3ce929d0e0e4736|<span>00f067aa0ba902b7|@2024-05-01T10:00:00.123Z`},
	{"Python", `2024-05-01 10:00:00,123 - app.db - WARNING - slow query`, `plain|warn|"slow query"|logger=app.db|@2024-05-01T10:00:00.123Z`},
	{"Python basic", `ERROR:root:it failed`, `plain|error|"it failed"|logger=root`},
	{"gunicorn", `[2024-05-01 10:00:00 +0000] [1] [INFO] Booting worker`, `plain|info|"Booting worker"|pid=1|@2024-05-01T10:00:00Z`},
	{"uvicorn", `INFO:     127.0.0.1:1 - "GET / HTTP/1.1" 200 OK`, `plain|info|"127.0.0.1:1 - \"GET / HTTP/1.1\" 200 OK"`},
	{"Celery", `[2024-05-01 10:00:00,123: WARNING/MainProcess] late`, `plain|warn|"late"|thread=MainProcess|@2024-05-01T10:00:00.123Z`},
	{"Ruby", `W, [2024-05-01T10:00:00.123456 #7]  WARN -- : careful`, `plain|warn|"careful"|pid=7|@2024-05-01T10:00:00.123456Z`},
	{"env_logger", `[2024-05-01T10:00:00Z DEBUG my_app::db] connected`, `plain|debug|"connected"|logger=my_app::db|@2024-05-01T10:00:00Z`},
	{"tracing", `2024-05-01T10:00:00.1Z  INFO my_app::http: listening addr=0.0.0.0:80`, `plain|info|"listening"|logger=my_app::http|addr=0.0.0.0:80|@2024-05-01T10:00:00.1Z`},
	{".NET", `fail: Microsoft.Hosting.Lifetime[14]`, `plain|error|"Microsoft.Hosting.Lifetime[14]"`},
	{"Serilog console", `[10:00:00 INF] Now listening`, `plain|info|"Now listening"`},
	{"zap console", "2024-05-01T10:00:00.000Z\tERROR\tapi\tserver/http.go:7\trequest failed\t{\"status\": 500, \"error\": \"x y\"}",
		`plain|error|"request failed"|logger=api|status=500|error=x y|<caller>server/http.go:7|@2024-05-01T10:00:00Z`},
	{"zerolog console", "\x1b[90m10:04AM\x1b[0m \x1b[32mINF\x1b[0m main.go:12 > \x1b[1mhello\x1b[0m \x1b[36mcount=\x1b[0m3", `plain|info|"hello"|count=3|<caller>main.go:12`},
	{"logrus console", "\x1b[36mINFO\x1b[0m[0012] A walrus appears   \x1b[36manimal\x1b[0m=walrus size=10", `plain|info|"A walrus appears"|after=0012|animal=walrus|size=10`},
	{"slog default", `2024/05/01 10:00:00 INFO hello count=3 name="a b"`, `plain|info|"hello"|count=3|name=a b|@2024-05-01T10:00:00Z`},
	{"Go log", `2024/05/01 10:00:00 main.go:12: listening on :80`, `plain|none|"main.go:12: listening on :80"|@2024-05-01T10:00:00Z`},
	{"winston", `warn: disk almost full {"free":"1%"}`, `plain|warn|"disk almost full"|free=1%`},
	{"Elixir", `10:00:00.123 [info] Running`, `plain|info|"Running"`},
	{"npm", `npm ERR! code ENOENT`, `plain|error|"code ENOENT"|logger=npm`},
	{"syslog", `<11>May  1 10:00:00 host app[1]: disk`, `plain|error|"host app[1]: disk"`},
	{"Apache", `[Wed May 01 10:00:00.123456 2024] [core:error] [pid 1] AH1`, `plain|none|"[core:error] [pid 1] AH1"|@2024-05-01T10:00:00.123456Z`},
	{"logfmt behind a time", `2024-05-01T10:00:00Z level=warn msg="m n" a=b`, `plain|warn|"m n"|a=b|@2024-05-01T10:00:00Z`},
	{"JSON behind a time", `2024-05-01T10:00:00Z {"level":"warn","msg":"m","a":"b"}`, `plain|warn|"m"|a=b|@2024-05-01T10:00:00Z`},
	{"broken JSON behind a level", `WARN odd {"a":1,}x}`, `plain|warn|"odd {\"a\":1,}x}"`},
	{"Go panic", `panic: runtime error: index out of range`, `plain|fatal|"panic: runtime error: index out of range"`},
	{"Rust panic", `thread 'main' panicked at src/main.rs:2:5:`, `plain|fatal|"thread 'main' panicked at src/main.rs:2:5:"`},
	{"Python traceback", `Traceback (most recent call last):`, `plain|error|"Traceback (most recent call last):"`},
	{"exception", `java.lang.IllegalStateException: boom`, `plain|error|"java.lang.IllegalStateException: boom"`},
	{"Node error", `TypeError: x is not a function`, `plain|error|"TypeError: x is not a function"`},
	{"a level as a word", `No ERROR was found`, `plain|none|"No ERROR was found"`},
	{"a word that begins like a level", `Information is power`, `plain|none|"Information is power"`},
	{"prose with a time", `10:00:00 the error is gone`, `plain|none|"the error is gone"`},
	{"indented", `   at foo`, `plain|none|"   at foo"`},
	{"nothing", ``, `plain|none|""`},
	{"spaces", `  `, `plain|none|"  "`},
	{"only a level", `ERROR`, `plain|error|""`},
}

func TestParseLine(t *testing.T) {
	for _, l := range lines {
		if got := show(ParseLine(l.text)); got != l.want {
			t.Errorf("%s: %s\n got %s\nwant %s", l.writer, l.text, got, l.want)
		}
	}
}

func TestLevelOf(t *testing.T) {
	for _, l := range lines {
		if got, want := LevelOf(l.text), ParseLine(l.text).Level; got != want {
			t.Errorf("%s: %s is %s, but ParseLine says %s", l.writer, l.text, got, want)
		}
	}
}

func TestTraceOf(t *testing.T) {
	for _, l := range lines {
		if got, want := TraceOf(l.text), ParseLine(l.text).Trace; got != want {
			t.Errorf("%s: %s bears %q, but ParseLine says %q", l.writer, l.text, got, want)
		}
	}
}

func TestParseLevel(t *testing.T) {
	for level, spellings := range map[Level]string{
		LevelTrace: "trace TRACE TRC trce finest Verbose DEBUG-4-4",
		LevelDebug: "debug Debug DBG dbug DEBUG1 DEBUG-2 fine",
		LevelInfo:  "info INFO INF Information notice INFO+2",
		LevelWarn:  "warn WARNING Wrn WARN+1",
		LevelError: "error ERR fail SEVERE ERROR+4",
		LevelFatal: "fatal FTL crit Critical panic dpanic emerg",
		LevelNone:  "informations warnx inf0 e 30 none INFO+ INFO+x",
	} {
		for _, s := range strings.Fields(spellings) {
			want := level
			if s == "DEBUG-4-4" {
				want = LevelNone
			}
			if got, ok := ParseLevel(s); got != want || ok != (want != LevelNone) {
				t.Errorf("%q is %s, want %s", s, got, want)
			}
		}
	}
}

func TestLevelText(t *testing.T) {
	for l := LevelNone; l <= LevelFatal; l++ {
		text, _ := l.MarshalText()
		again := Level(99)
		if err := again.UnmarshalText(text); err != nil || again != l {
			t.Errorf("%s became %s: %v", text, again, err)
		}
	}
	var l Level
	if err := l.UnmarshalText([]byte("loud")); err == nil || err.Error() != `"loud" is not a level: use trace, debug, info, warn, error or fatal` {
		t.Errorf("error %v", err)
	}
}

func TestTimes(t *testing.T) {
	for _, c := range []struct{ text, want string }{ // want: "" for no time at all, "zero" for one that does not say the day
		{"2024-05-01T10:00:00Z", "2024-05-01T10:00:00Z"},
		{"2024-05-01T10:00:00.123456789-07:00", "2024-05-01T17:00:00.123456789Z"},
		{"2024-05-01 10:00:00,5 +0200", "2024-05-01T08:00:00.5Z"},
		{"2024/05/01 - 10:00:00", "2024-05-01T10:00:00Z"},
		{"2024.05.01 10:00:00", "2024-05-01T10:00:00Z"},
		{"01/May/2024:10:00:00 +0200", "2024-05-01T08:00:00Z"},
		{"Wed, 01 May 2024 10:00:00 GMT", "2024-05-01T10:00:00Z"},
		{"Wed May  1 10:00:00 2024", "2024-05-01T10:00:00Z"},
		{"May  1 10:00:00", "zero"},
		{"10:00:00.123", "zero"},
		{"3:04PM", "zero"},
		{"24:00:00", ""},
		{"2024-13-01 10:00:00", ""},
		{"2024-05-01", ""},
		{"10:00", ""},
		{"Maybe", ""},
		{"1714557600", ""},
	} {
		at, n := parseTime(c.text)
		got := ""
		if n > 0 {
			got = "zero"
			if !at.IsZero() {
				got = at.Format(time.RFC3339Nano)
			}
			if n != len(c.text) {
				t.Errorf("%q: took %d bytes", c.text, n)
			}
		}
		if got != c.want {
			t.Errorf("%q is %q, want %q", c.text, got, c.want)
		}
	}
	for text, want := range map[string]string{
		"1714557600": "2024-05-01T10:00:00Z", "1714557600.25": "2024-05-01T10:00:00.25Z", "1714557600123": "2024-05-01T10:00:00.123Z",
		"1714557600123456": "2024-05-01T10:00:00.123456Z", "1714557600123456789": "2024-05-01T10:00:00.123456789Z",
		"1.7145576e9": "2024-05-01T10:00:00Z",
	} {
		if at, ok := timeValue(text); !ok || at.Format(time.RFC3339Nano) != want {
			t.Errorf("%q is %v, want %s", text, at, want)
		}
	}
}

// A line of any length must cost little, because it is parsed when it shows.
func TestVeryLongLines(t *testing.T) {
	filler := strings.Repeat("x", 1<<18)
	for _, text := range []string{
		`{"level":"info","msg":"` + filler + `","trace_id":"1"}`,
		`{"level":"info","a":` + strings.Repeat(`{"a":`, 1<<16),
		`{"level":"info","msg":"` + strings.Repeat(`\n`, 1<<17) + `"}`,
		`level=info msg="` + filler + `"`,
		strings.Repeat(`a="b `, 1<<16),
		strings.Repeat(`a=b c `, 1<<16),
		`2024-05-01 10:00:00 INFO ` + filler,
		`2024-05-01 10:00:00 INFO ` + strings.Repeat("a=b c ", 1<<16),
		strings.Repeat("\x1b]", 1<<17),
		strings.Repeat("[", 1<<18),
	} {
		start := time.Now()
		ParseLine(text)
		Sanitize(text)
		Continues(text, text)
		if took := time.Since(start); took > 5*time.Second { // some milliseconds, unless the cost is the square of the length
			t.Errorf("%.20s: took %v", text, took)
		}
	}
}

func TestLongValuesSayThatTheyAreCut(t *testing.T) {
	filler := strings.Repeat("ä", longestJSON)
	if msg := ParseLine(`{"level":"info","msg":"` + filler + `"}`).Message; !strings.HasSuffix(msg, "ä…") {
		t.Errorf("the message ends in %q", msg[len(msg)-8:])
	}
	if msg := ParseLine(`level=info msg=` + filler).Message; !strings.HasSuffix(msg, "ä…") {
		t.Errorf("the message ends in %q", msg[len(msg)-8:])
	}
	if msg := ParseLine("INFO " + filler).Message; msg != filler {
		t.Errorf("the message has %d bytes", len(msg))
	}
}

func FuzzParseLine(f *testing.F) {
	for _, l := range lines {
		f.Add(l.text)
	}
	for _, found := range []string{"fAil:000000000", "0:00:00 l=10", "\x1b["} {
		f.Add(found)
	}
	f.Fuzz(func(t *testing.T, text string) {
		line := ParseLine(text)
		if level := LevelOf(text); level != line.Level {
			t.Fatalf("LevelOf says %s, ParseLine %s", level, line.Level)
		}
		if trace := TraceOf(text); trace != "" && trace != line.Trace {
			t.Fatalf("TraceOf says %q, ParseLine %q", trace, line.Trace)
		}
		for _, id := range []string{line.Trace, line.Span} {
			if id != "" && hexID(id) != id {
				t.Fatalf("%q is no id", id)
			}
		}
		if len(line.Message) > len(text)+len("…") {
			t.Fatalf("the message %q is longer than the line", line.Message)
		}
	})
}
