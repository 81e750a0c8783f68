package fault

import (
	"errors"
	"fmt"
	"testing"
)

func TestPlainErrorsBecomeInternalWithFixedText(t *testing.T) {
	secret := errors.New("dial tcp: secret-host")
	f := As(fmt.Errorf("wrapped: %w", secret))
	if f.Kind != Internal || f.Message != "internal error" || !errors.Is(f, secret) {
		t.Errorf("%+v", f)
	}
}

func TestCauseIsKeptApart(t *testing.T) {
	f := New(NotFound, "X", "no %s", "thing")
	with := f.WithCause(errors.New("why"))
	if f.Unwrap() != nil || with.Message != "no thing" || with.Error() != "X: no thing: why" || As(fmt.Errorf("%w", with)) != with {
		t.Errorf("%v", with)
	}
	if v := Invalid("a.b", "is %d", 1).Violations; v[0].Field != "a.b" || v[0].Description != "is 1" {
		t.Errorf("%v", v)
	}
}

func TestEveryKindHasAName(t *testing.T) {
	for k := Internal; k <= Unknown; k++ {
		if k.String() == "" {
			t.Error(k)
		}
	}
}
