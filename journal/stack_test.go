package journal

import (
	"strings"
	"testing"
)

// Each text is one record's lines, and then, behind the mark, a line that begins the next record.
var traces = []struct{ writer, text string }{
	{"Go panic", `panic: runtime error: invalid memory address or nil pointer dereference
[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x47b0c1]

goroutine 1 [running]:
main.(*server).handle(...)
	/app/main.go:12
main.main()
	/app/main.go:7 +0x1d
created by main.start in goroutine 1
	/app/main.go:30 +0x25

goroutine 18 [chan receive]:
main.wait(0xc000012345)
	/app/wait.go:5 +0x9c
exit status 2
>>> listening on :80`},
	{"Go panic again", `panic: first [recovered]
	panic: second

goroutine 7 [running]:
main.main()
	/app/main.go:7 +0x1d
>>> 2024/05/01 10:00:00 restarted`},
	{"Java", `2024-05-01 10:00:00,123 [main] ERROR com.foo.Bar - it failed
java.lang.IllegalStateException: boom
	at com.foo.Bar.run(Bar.java:12)
	at java.base/java.lang.Thread.run(Thread.java:840)
	Suppressed: java.io.IOException: closed
		at com.foo.Bar.close(Bar.java:20)
Caused by: java.sql.SQLException: no connection
	at com.foo.Db.open(Db.java:3)
	... 12 more
>>> 2024-05-01 10:00:01,123 [main] INFO com.foo.Bar - next`},
	{"Java without a logger", `Exception in thread "main" java.lang.RuntimeException: boom
	at Main.main(Main.java:3)
>>> java.lang.RuntimeException: another`},
	{"Python", `ERROR:root:it failed
Traceback (most recent call last):
  File "/app/a.py", line 3, in <module>
    f()
    ^^^
  File "/app/a.py", line 2, in f
    raise ValueError("x")
ValueError: x

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/app/a.py", line 5, in <module>
    g()
mypkg.errors.Broken: y
>>> INFO:root:next`},
	{"Python alone", `Traceback (most recent call last):
  File "/app/a.py", line 3, in <module>
    f()
KeyboardInterrupt
>>> bye`},
	{"Node", `/app/x.js:10
    throw new Error('x')
    ^

Error: x
    at foo (/app/x.js:10:11)
    at node:internal/main:1:2 {
  code: 'E'
}

Node.js v20.1.0
>>> server started`},
	{"Rust", "thread 'main' panicked at src/main.rs:2:5:\nindex out of bounds\nstack backtrace:\n   0: std::panicking::begin_panic\n             at /rustc/1/panicking.rs:12\n   1: app::main\nnote: Some details are omitted, run with `RUST_BACKTRACE=full`\n>>> started"},
	{".NET", `fail: Microsoft.AspNetCore.Server[13]
      Connection id "x": An unhandled exception
      System.InvalidOperationException: boom
       ---> System.Exception: inner
         at Program.Main() in /src/Program.cs:line 3
         --- End of inner exception stack trace ---
         at Program.Run()
>>> info: Microsoft.Hosting.Lifetime[14]`},
	{"Ruby", `app.rb:1:in 'f': boom (RuntimeError)
	from app.rb:3:in '<main>'
>>> Puma starting`},
	{"PHP", `PHP Fatal error:  Uncaught Exception: boom in /app/a.php:3
Stack trace:
#0 /app/a.php(5): f()
#1 {main}
  thrown in /app/a.php on line 3
>>> [01-May-2024] next`},
	{"tracing with indented heads", `  2024-05-01T10:00:00Z  INFO app: a
    at src/main.rs:3
>>>   2024-05-01T10:00:01Z  INFO app: b`},
	{"coloured", "\x1b[31mError: x\x1b[0m\n\x1b[90m    at foo (/app/x.js:1:2)\x1b[0m\n>>> \x1b[32mnext\x1b[0m"},
	{"prose", "at noon it began\n>>> at dusk it ended"},
	{"a blank line", "hello\n>>> "},
	{"dots", "loading\n>>> ... and more"},
	{"exception behind an info line", "INFO: fine\n>>> java.lang.RuntimeException: boom"},
	{"exception behind an exception", "a.FooError: 1\n>>> a.FooError: 2"},
	{"a brace", "main() {\n>>> }"},
	{"JSON, indented", "text\n>>>  {\"level\":\"info\"}"},
}

func TestContinues(t *testing.T) {
	for _, c := range traces {
		lines := strings.Split(c.text, "\n")
		prev := ""
		for i, line := range lines {
			next, begins := strings.CutPrefix(line, ">>> ")
			if i == 0 {
				begins = true
			}
			if got := Continues(prev, next); got == begins {
				t.Errorf("%s: Continues(%q, %q) is %v", c.writer, prev, next, got)
			}
			if strings.TrimSpace(next) != "" {
				prev = next
			}
		}
	}
}

func FuzzContinues(f *testing.F) {
	f.Add("panic: x", "goroutine 1 [running]:")
	f.Add("\x1b", "0")
	f.Fuzz(func(t *testing.T, prev, line string) {
		if Continues("", line) {
			t.Fatalf("%q goes on with nothing", line)
		}
		Continues(prev, line)
	})
}
