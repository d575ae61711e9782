package runner

import "context"

// Join adds a runtime to those that there were when the supervisor was made. Nothing is planned before it has looked.
func (s *Supervisor) Join(ctx context.Context, rt Runtime) {
	s.do(ctx, func() {
		name := rt.Name()
		if s.runtimes[name] != nil {
			return
		}
		s.runtimes[name] = rt
		watching, cancel := context.WithCancel(context.WithoutCancel(ctx))
		s.work.Go(func() {
			defer cancel()
			<-s.over
		})
		s.work.Go(func() { s.watch(watching, name, rt) })
	})
}
