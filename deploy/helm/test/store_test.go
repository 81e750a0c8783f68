package chart

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/config"
	"github.com/jackc/pgx/v5"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/yaml"
)

const (
	one      = "replicaCount: 1\n"
	sqlite   = one + "store: {url: 'sqlite:/var/lib/asc-gateway/store.db'}\n"
	postgres = "redis: {url: 'redis://redis:6379/0'}\nstore: {url: 'postgres://gateway@db/asc', existingSecret: pg}\n"
)

// merged are values with others over them.
func merged(t *testing.T, texts ...string) map[string]any {
	t.Helper()
	all := map[string]any{}
	var over func(into, from map[string]any)
	over = func(into, from map[string]any) {
		for k, v := range from {
			a, in := into[k].(map[string]any)
			if b, is := v.(map[string]any); in && is {
				over(a, b)
			} else {
				into[k] = v
			}
		}
	}
	for _, text := range texts {
		next := map[string]any{}
		if err := yaml.Unmarshal([]byte(text), &next); err != nil {
			t.Fatal(err)
		}
		over(all, next)
	}
	return all
}

// rendered are the objects of values, by kind and name.
func rendered(t *testing.T, texts ...string) map[string]any {
	t.Helper()
	return decodedValues(t, strings.Join(texts, ""), merged(t, texts...))
}

// TestStoreRefused: what loses operations, or shows a password, is refused in
// words. What is good about each is taken.
func TestStoreRefused(t *testing.T) {
	for _, c := range []struct{ name, good, bad, says string }{
		{"several replicas on SQLite", sqlite, "replicaCount: 2", "SQLite is for one replica"},
		{"an autoscaler on SQLite", sqlite,
			"autoscaling: {enabled: true, minReplicas: 1, maxReplicas: 2}", "SQLite is for one replica"},
		{"several replicas without Redis", postgres, "redis: {url: ''}", "redis.url: several replicas"},
		{"an autoscaler without Redis", one + postgres,
			"autoscaling: {enabled: true}\nredis: {url: ''}", "redis.url: several replicas"},
		{"SQLite without a secret", sqlite, "secrets: {existingSecret: ''}", "secrets.existingSecret: a store"},
		{"PostgreSQL without a secret", one + postgres,
			"secrets: {existingSecret: ''}", "secrets.existingSecret: a store"},
		{"a volume without a store", "", "store: {volume: {size: 1Gi}}", "only SQLite has a volume"},
		{"a volume beside PostgreSQL", postgres, "store: {volume: {size: 1Gi}}", "only SQLite has a volume"},
		{"a class beside PostgreSQL", postgres, "store: {volume: {storageClass: fast}}", "only SQLite has a volume"},
		{"a claim beside PostgreSQL", postgres, "store: {volume: {existingClaim: data}}", "only SQLite has a volume"},
		{"a claim with a size", sqlite,
			"store: {volume: {existingClaim: data, size: 1Gi}}", "leave size and storageClass out"},
		{"a size that is none", sqlite, "store: {volume: {size: lots}}", "/store/volume/size"},
		{"a password of SQLite", sqlite, "store: {existingSecret: pg}", "only PostgreSQL has a password"},
		{"a password of nothing", "", "store: {existingSecret: pg}", "only PostgreSQL has a password"},
		{"a file outside of the volume", sqlite,
			"store: {url: 'sqlite:/tmp/store.db'}", "want sqlite:/var/lib/asc-gateway/NAME"},
		{"a file that leaves the volume", sqlite,
			"store: {url: 'sqlite:/var/lib/asc-gateway/../x'}", "want sqlite:/var/lib/asc-gateway/NAME"},
		{"a file without a folder", sqlite,
			"store: {url: 'sqlite:store.db'}", "want sqlite:/var/lib/asc-gateway/NAME"},
		{"another database", "", "store: {url: 'mysql://db/asc'}", "/store/url"},
		{"a password in the URL", postgres, "store: {url: 'postgres://gateway:hunter2@db/asc'}", "holds a password"},
		{"a password with a slash", postgres,
			"store: {url: 'postgres://gateway:hun/ter2@db/asc'}", "holds a password"},
		{"a password in the query", postgres,
			"store: {url: 'postgres://gateway@db/asc?sslmode=require&password=hunter2'}", "holds a password"},
		{"a password of a key", postgres,
			"store: {url: 'postgres://gateway@db/asc?sslpassword=hunter2'}", "holds a password"},
		{"a port where no rule sees it", postgres,
			"store: {url: 'postgres://gateway@db/asc?port=5433'}", "want host and port before the database"},
		{"a URL past the chart", sqlite, "config: {store: {url: 'sqlite:/tmp/x'}}", "use store.url"},
		{"a password file past the chart", postgres, "config: {store: {password_file: /x}}", "use store.url"},
	} {
		rendered(t, c.good)
		_, err := render(t, merged(t, c.good, c.bad))
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.name, err, c.says)
		} else if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "ter2") {
			t.Errorf("%s: the password is shown: %v", c.name, err)
		}
	}
}

// TestSQLite: one process, on a volume that it may write to.
func TestSQLite(t *testing.T) {
	for _, c := range []struct{ values, claim, size, class string }{
		{"", "asc-gateway-store", "1Gi", ""},
		{"store: {volume: {size: 20Gi, storageClass: fast}}", "asc-gateway-store", "20Gi", "fast"},
		{"store: {volume: {existingClaim: mine}}", "mine", "", ""},
		{"store: {url: 'sqlite:/var/lib/asc-gateway/gateway/store.db'}", "asc-gateway-store", "1Gi", ""},
		{"autoscaling: {enabled: true, minReplicas: 1, maxReplicas: 1}", "asc-gateway-store", "1Gi", ""},
	} {
		objects := rendered(t, sqlite, c.values)
		d := objects["Deployment asc-gateway"].(*apps.Deployment)
		hardened(t, c.values, d)
		wired(t, c.values, objects)
		if s := d.Spec.Strategy; s.Type != apps.RecreateDeploymentStrategyType || s.RollingUpdate != nil {
			t.Errorf("%s: %+v: two processes would have the file", c.values, d.Spec.Strategy)
		}
		if n := d.Spec.Replicas; n != nil && *n != 1 {
			t.Errorf("%s: %d replicas", c.values, *n)
		}
		pod := d.Spec.Template.Spec
		at := slices.IndexFunc(pod.Volumes, func(v core.Volume) bool { return v.PersistentVolumeClaim != nil })
		want := core.PersistentVolumeClaimVolumeSource{ClaimName: c.claim}
		if at < 0 || *pod.Volumes[at].PersistentVolumeClaim != want {
			t.Errorf("%s: volumes %+v, want the claim %s", c.values, pod.Volumes, c.claim)
		}
		if g := pod.SecurityContext.FSGroup; g == nil || *g != *pod.SecurityContext.RunAsGroup {
			t.Errorf("%s: the user may not write to the volume: %+v", c.values, pod.SecurityContext)
		}
		if e := env(pod.Containers[0])["SQLITE_TMPDIR"]; e != "/var/lib/asc-gateway" {
			t.Errorf("%s: SQLite sorts in %q", c.values, e)
		}
		if ports := egress(objects); slices.Contains(ports, 5432) {
			t.Errorf("%s: ports %v", c.values, ports)
		}
		claim, made := objects["PersistentVolumeClaim "+c.claim].(*core.PersistentVolumeClaim)
		if made != (c.size != "") {
			t.Fatalf("%s: a claim is made: %v", c.values, made)
		}
		if made {
			wantClaim(t, claim, c.size, c.class)
		}
	}
}

func wantClaim(t *testing.T, claim *core.PersistentVolumeClaim, size, class string) {
	t.Helper()
	s := claim.Spec
	if !s.Resources.Requests.Storage().Equal(resource.MustParse(size)) ||
		!slices.Equal(s.AccessModes, []core.PersistentVolumeAccessMode{core.ReadWriteOnce}) {
		t.Errorf("want %s: %+v", size, s)
	}
	if got := s.StorageClassName; class == "" && got != nil || class != "" && (got == nil || *got != class) {
		t.Errorf("want the class %q: %+v", class, s)
	}
	if claim.Annotations["helm.sh/resource-policy"] != "keep" {
		t.Error("operations go with the release")
	}
}

// TestPostgreSQL: its password comes from a Secret, and its hosts can be reached:
// pgx says where they are.
func TestPostgreSQL(t *testing.T) {
	for _, url := range []string{
		"postgres://gateway@db/asc", "postgres://db/asc", "postgres://gateway@db:5435",
		"postgresql://gateway@db:6432/asc?sslmode=verify-full&search_path=asc_gateway",
		"postgres://gateway@db:5436?sslmode=require",
		"postgres://gateway@a,b:5433,c:5433/asc?target_session_attrs=read-write",
		"postgres://gateway@[2001:db8::1]/asc", "postgres://gateway@[2001:db8::1]:5434/asc",
	} {
		objects := rendered(t, postgres, "store: {url: '"+url+"', existingSecretKey: word}",
			"config: {store: {retention: 48h}}")
		wired(t, url, objects)
		d := objects["Deployment asc-gateway"].(*apps.Deployment)
		if d.Spec.Strategy.Type != apps.RollingUpdateDeploymentStrategyType {
			t.Errorf("%s: %+v", url, d.Spec.Strategy)
		}
		c, err := config.Parse([]byte(objects["ConfigMap asc-gateway"].(*core.ConfigMap).Data["gateway.yaml"]))
		if err != nil || c.Store.URL != url || c.Store.Retention != config.Duration(48*time.Hour) || !c.Store.Shared() {
			t.Fatalf("%s: %+v, %v", url, c.Store, err)
		}
		pod := d.Spec.Template.Spec
		if !mountsKey(pod, c.Store.PasswordFile, "pg", "word") {
			t.Errorf("%s: %s is not the Secret's: %+v", url, c.Store.PasswordFile, pod.Volumes)
		}
		if _, has := env(pod.Containers[0])["SQLITE_TMPDIR"]; has {
			t.Errorf("%s: SQLite is set up", url)
		}
		pg, err := pgx.ParseConfig(url)
		if err != nil {
			t.Fatal(err)
		}
		ports := egress(objects)
		want := []int32{53, 443, 6443, 6379, int32(pg.Port)}
		for _, f := range pg.Fallbacks {
			want = append(want, int32(f.Port))
		}
		slices.Sort(want)
		if want = slices.Compact(want); !slices.Equal(ports, want) {
			t.Errorf("%s: ports %v can be reached, want %v", url, ports, want)
		}
	}
	wired(t, "no password, no Redis", rendered(t, one, "store: {url: 'postgres://gateway@db/asc'}"))
}

// TestDocumentedStores: the values in docs/operating.md are taken.
func TestDocumentedStores(t *testing.T) {
	page, err := os.ReadFile("../../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## A store\n")
	section, _, _ = strings.Cut(section, "\n## ")
	blocks := strings.Split(section, "```yaml\n")[1:]
	for _, b := range blocks {
		text, _, _ := strings.Cut(b, "```")
		wired(t, text, rendered(t, text))
	}
	if len(blocks) != 2 {
		t.Errorf("%d examples, want 2", len(blocks))
	}
}

// mountsKey says whether a file is the key of a Secret.
func mountsKey(pod core.PodSpec, file, secret, key string) bool {
	for _, m := range pod.Containers[0].VolumeMounts {
		name, below := strings.CutPrefix(file, m.MountPath+"/")
		for _, v := range pod.Volumes {
			if below && v.Name == m.Name && v.Secret != nil && v.Secret.SecretName == secret {
				return slices.Equal(v.Secret.Items, []core.KeyToPath{{Key: key, Path: name}})
			}
		}
	}
	return false
}

// TestStoreRestarts: pods are made anew where a running gateway does not take a
// setting.
func TestStoreRestarts(t *testing.T) {
	seen := map[string]string{}
	for _, v := range []string{"", "store: {url: 'postgres://gateway@other/asc'}", "store: {existingSecret: ''}",
		"config: {store: {retention: 24h}}", "config: {jobs: {workers: 2}}"} {
		d := rendered(t, postgres, v)["Deployment asc-gateway"].(*apps.Deployment)
		sum := d.Spec.Template.Annotations["checksum/restart"]
		if was, twice := seen[sum]; twice || sum == "" {
			t.Errorf("%q restarts nothing: as %q", v, was)
		}
		seen[sum] = v
	}
}

// TestItEndsInTime: a pod may drain and end by itself, and no budget keeps it.
func TestItEndsInTime(t *testing.T) {
	const ends = 30 // seconds: docs/operating.md, Shutdown
	for _, set := range sets {
		objects := decoded(t, set)
		pod := objects["Deployment asc-gateway"].(*apps.Deployment).Spec.Template.Spec
		var pause int64
		if l := pod.Containers[0].Lifecycle; l != nil {
			pause = l.PreStop.Sleep.Seconds
		}
		if *pod.TerminationGracePeriodSeconds < pause+ends {
			t.Errorf("%q: killed after %d s, although it sleeps %d s and ends within %d s", set,
				*pod.TerminationGracePeriodSeconds, pause, ends)
		}
		if b, ok := objects["PodDisruptionBudget asc-gateway"].(*policyv1.PodDisruptionBudget); ok {
			if b.Spec.MinAvailable != nil || b.Spec.MaxUnavailable.IntValue() < 1 {
				t.Errorf("%q: a node with the only replica could not be drained: %+v", set, b.Spec)
			}
		}
	}
}

func env(c core.Container) map[string]string {
	out := map[string]string{}
	for _, e := range c.Env {
		out[e.Name] = e.Value
	}
	return out
}

// egress are the ports that may be reached, each once.
func egress(objects map[string]any) []int32 {
	seen := map[int32]bool{}
	for _, rule := range objects["NetworkPolicy asc-gateway"].(*networking.NetworkPolicy).Spec.Egress {
		for _, p := range rule.Ports {
			seen[p.Port.IntVal] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}
