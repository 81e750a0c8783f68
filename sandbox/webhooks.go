package sandbox

// hooks sends events to webhooks.
type hooks struct{}

func (h *hooks) close() {}

// post sends what waits to be sent. The sandbox is not locked.
func (s *Sandbox) post() {}

// announce makes an event of a state that has changed, for the webhooks of its
// app.
func (c *call) announce(_ *object, _, _, _ string) {}
