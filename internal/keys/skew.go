package keys

import (
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Bounds of how clocks are compared.
const (
	skewAlarm   = 30 * time.Second // from here on Apple's clock is used
	skewSamples = 5
	skewNeeded  = 3               // samples that must agree
	skewTook    = 5 * time.Second // an answer that took longer says too little
	skewWarn    = time.Minute     // between two warnings
)

// skew is how far Apple's clock is ahead of ours, by the Date of its answers.
type skew struct {
	mu      sync.Mutex
	samples []time.Duration
	current time.Duration
	warned  time.Time
}

// sample takes one answer. A refused token may have been refused for its times:
// then one answer is believed at once. It says whether the correction changed.
func (s *skew) sample(date, now time.Time, took time.Duration, refused bool, log *slog.Logger) (corrected bool) {
	if took > skewTook {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	d := date.Add(time.Second / 2).Sub(now.Round(0).Add(-took / 2)) // Date is cut to the second
	s.samples = append(s.samples, d)
	if len(s.samples) > skewSamples {
		s.samples = s.samples[1:]
	}
	before := s.correctionLocked()
	switch {
	case refused && (d-s.current).Abs() > skewAlarm:
		s.current, s.samples = d, []time.Duration{d}
	case len(s.samples) >= skewNeeded:
		sorted := slices.Clone(s.samples)
		slices.Sort(sorted)
		s.current = sorted[len(sorted)/2]
	}
	after := s.correctionLocked()
	if after != 0 && now.Sub(s.warned).Abs() >= skewWarn {
		s.warned = now
		log.Warn("this machine's clock is not Apple's: tokens are made by Apple's", "ahead", s.current.Round(time.Second))
	}
	return (after - before).Abs() > skewAlarm
}

func (s *skew) get() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

// correction is what to add to our clock.
func (s *skew) correction() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.correctionLocked()
}

func (s *skew) correctionLocked() time.Duration {
	if s.current.Abs() < skewAlarm {
		return 0
	}
	return s.current
}
