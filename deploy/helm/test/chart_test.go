// Package chart tests the Helm chart: Helm's own linter and renderer, the types
// of Kubernetes and of the operators, and promtool are the judges.
package chart

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/asc-gateway/asc-gateway/internal/config"
	certmanager "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the snapshot and the schema anew")

const chartDir = "../asc-gateway"

var sets = []string{"", "values/production.yaml", "values/small.yaml", "values/sqlite.yaml"}

func load(t *testing.T) *chart.Chart {
	t.Helper()
	c, err := loader.Load(chartDir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func values(t *testing.T, file string) map[string]any {
	t.Helper()
	v := map[string]any{}
	if file == "" {
		return v
	}
	b, err := os.ReadFile(file)
	if err == nil {
		err = yaml.Unmarshal(b, &v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// render is what Helm would install.
func render(t *testing.T, v map[string]any) (map[string]string, error) {
	t.Helper()
	c := load(t)
	all, err := chartutil.ToRenderValues(c, v, chartutil.ReleaseOptions{Name: "asc-gateway", Namespace: "apple", Revision: 1, IsInstall: true}, chartutil.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	return engine.Render(c, all)
}

// kinds are the types that manifests are decoded into, strictly.
func kinds(apiVersion, kind string) any {
	switch apiVersion + " " + kind {
	case "v1 ConfigMap":
		return &core.ConfigMap{}
	case "v1 Service":
		return &core.Service{}
	case "v1 PersistentVolumeClaim":
		return &core.PersistentVolumeClaim{}
	case "v1 ServiceAccount":
		return &core.ServiceAccount{}
	case "apps/v1 Deployment":
		return &apps.Deployment{}
	case "autoscaling/v2 HorizontalPodAutoscaler":
		return &autoscaling.HorizontalPodAutoscaler{}
	case "policy/v1 PodDisruptionBudget":
		return &policyv1.PodDisruptionBudget{}
	case "networking.k8s.io/v1 NetworkPolicy":
		return &networking.NetworkPolicy{}
	case "networking.k8s.io/v1 Ingress":
		return &networking.Ingress{}
	case "monitoring.coreos.com/v1 ServiceMonitor":
		return &monitoring.ServiceMonitor{}
	case "monitoring.coreos.com/v1 PrometheusRule":
		return &monitoring.PrometheusRule{}
	case "cert-manager.io/v1 Certificate":
		return &certmanager.Certificate{}
	case "external-secrets.io/v1 ExternalSecret":
		return &externalSecret{}
	}
	return nil
}

// externalSecret is what the chart uses of the External Secrets Operator's type,
// whose module brings all cloud providers along.
type externalSecret struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Metadata   map[string]any `json:"metadata"`
	Spec       struct {
		RefreshInterval string `json:"refreshInterval"`
		SecretStoreRef  struct {
			Name string `json:"name"`
			Kind string `json:"kind"`
		} `json:"secretStoreRef"`
		Target struct {
			Name string `json:"name"`
		} `json:"target"`
		Data []struct {
			SecretKey string `json:"secretKey"`
			RemoteRef struct {
				Key      string `json:"key"`
				Property string `json:"property"`
			} `json:"remoteRef"`
		} `json:"data"`
	} `json:"spec"`
}

// decoded are a set's objects by kind and name.
func decoded(t *testing.T, set string) map[string]any {
	t.Helper()
	return decodedValues(t, set, values(t, set))
}

// decodedValues are the objects of values that a set, or a case, names.
func decodedValues(t *testing.T, set string, v map[string]any) map[string]any {
	t.Helper()
	files, err := render(t, v)
	if err != nil {
		t.Fatalf("%q: %v", set, err)
	}
	out := map[string]any{}
	for file, text := range files {
		if !strings.HasSuffix(file, ".yaml") {
			continue
		}
		for doc := range strings.SplitSeq(text, "\n---") {
			if strings.TrimSpace(strings.TrimPrefix(doc, "---")) == "" {
				continue
			}
			var head struct {
				APIVersion string `json:"apiVersion"`
				Kind       string `json:"kind"`
				Metadata   struct {
					Name   string            `json:"name"`
					Labels map[string]string `json:"labels"`
				} `json:"metadata"`
			}
			if err := yaml.Unmarshal([]byte(doc), &head); err != nil {
				t.Errorf("%s %s: %v\n%s", set, file, err, doc)
				continue
			}
			object := kinds(head.APIVersion, head.Kind)
			if object == nil {
				t.Errorf("%s: %s %s has no type here", file, head.APIVersion, head.Kind)
				continue
			}
			if err := yaml.UnmarshalStrict([]byte(doc), object, yaml.DisallowUnknownFields); err != nil {
				t.Errorf("%s %s: %v\n%s", set, file, err, doc)
			}
			if head.Metadata.Labels["app.kubernetes.io/name"] != "asc-gateway" {
				t.Errorf("%s %s: labels %v", set, file, head.Metadata.Labels)
			}
			out[head.Kind+" "+head.Metadata.Name] = object
		}
	}
	return out
}

func TestLint(t *testing.T) {
	for _, set := range sets {
		l := lint.AllWithKubeVersion(chartDir, values(t, set), "apple", nil)
		for _, m := range l.Messages {
			if m.Severity >= support.WarningSev {
				t.Errorf("%q: %s", set, m)
			}
		}
	}
}

func TestManifests(t *testing.T) {
	for set, want := range map[string][]string{
		"": {"ConfigMap asc-gateway", "Deployment asc-gateway", "NetworkPolicy asc-gateway", "PodDisruptionBudget asc-gateway", "Service asc-gateway", "ServiceAccount asc-gateway"},
		"values/production.yaml": {"Certificate asc-gateway", "ConfigMap asc-gateway", "ConfigMap asc-gateway-dashboard", "Deployment asc-gateway", "HorizontalPodAutoscaler asc-gateway", "Ingress asc-gateway-grpc", "Ingress asc-gateway-rest",
			"NetworkPolicy asc-gateway", "PodDisruptionBudget asc-gateway", "PrometheusRule asc-gateway", "Service asc-gateway", "ServiceAccount asc-gateway", "ServiceMonitor asc-gateway"},
		"values/small.yaml": {"ConfigMap asc-gateway", "Deployment asc-gateway", "ExternalSecret asc-keys", "Service asc-gateway", "ServiceAccount asc-gateway"},
		"values/sqlite.yaml": {"ConfigMap asc-gateway", "Deployment asc-gateway", "NetworkPolicy asc-gateway", "PersistentVolumeClaim asc-gateway-store", "PodDisruptionBudget asc-gateway",
			"Service asc-gateway", "ServiceAccount asc-gateway"},
	} {
		objects := decoded(t, set)
		var got []string
		for name := range objects {
			got = append(got, name)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", set, got, want)
		}
		hardened(t, set, objects["Deployment asc-gateway"].(*apps.Deployment))
		wired(t, set, objects)
	}
}

// hardened checks what a cluster's security policy ("restricted") asks for.
func hardened(t *testing.T, set string, d *apps.Deployment) {
	t.Helper()
	pod, c := d.Spec.Template.Spec, d.Spec.Template.Spec.Containers[0]
	s := c.SecurityContext
	if !*pod.SecurityContext.RunAsNonRoot || *pod.SecurityContext.RunAsUser == 0 || pod.SecurityContext.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault ||
		*s.AllowPrivilegeEscalation || !*s.ReadOnlyRootFilesystem || len(s.Capabilities.Drop) != 1 || s.Capabilities.Drop[0] != "ALL" || len(s.Capabilities.Add) > 0 {
		t.Errorf("%q: %+v %+v", set, pod.SecurityContext, s)
	}
	if pod.HostNetwork || pod.HostPID || len(pod.TopologySpreadConstraints) != 2 || c.Resources.Limits.Memory().IsZero() {
		t.Errorf("%q: %+v", set, pod)
	}
}

// wired checks that names meet: volumes, mounts, ports, selectors, files.
func wired(t *testing.T, set string, objects map[string]any) {
	t.Helper()
	d, service := objects["Deployment asc-gateway"].(*apps.Deployment), objects["Service asc-gateway"].(*core.Service)
	pod := d.Spec.Template.Spec
	volumes, ports := map[string]bool{}, map[string]bool{}
	for _, v := range pod.Volumes {
		volumes[v.Name] = true
	}
	for _, m := range pod.Containers[0].VolumeMounts {
		if !volumes[m.Name] || m.ReadOnly == (m.Name == "store") {
			t.Errorf("%q: mount %+v", set, m)
		}
		delete(volumes, m.Name)
	}
	if len(volumes) > 0 {
		t.Errorf("%q: volumes that nobody mounts: %v", set, volumes)
	}
	for _, p := range pod.Containers[0].Ports {
		ports[p.Name] = true
	}
	for _, p := range service.Spec.Ports {
		if !ports[p.TargetPort.StrVal] {
			t.Errorf("%q: the service's port %s leads nowhere", set, p.Name)
		}
	}
	for k, v := range service.Spec.Selector {
		if d.Spec.Template.Labels[k] != v || d.Spec.Selector.MatchLabels[k] != v {
			t.Errorf("%q: the selector %s=%s finds no pod", set, k, v)
		}
	}
	text := objects["ConfigMap asc-gateway"].(*core.ConfigMap).Data["gateway.yaml"]
	c, err := config.Parse([]byte(text))
	if err != nil {
		t.Fatalf("%q: the gateway does not take its configuration: %v\n%s", set, err, text)
	}
	named := []string{c.TLS.CertFile, c.TLS.KeyFile, c.TLS.ClientCAFile, c.Policy.File, c.Secrets.File, c.Store.PasswordFile}
	if file, ok := strings.CutPrefix(c.Store.URL, "sqlite:"); ok {
		named = append(named, file)
	}
	if r := c.Quota.Redis; r != nil {
		named = append(named, r.PasswordFile)
	}
	for _, team := range c.Teams {
		for _, k := range team.Keys {
			if file, ok := strings.CutPrefix(k.URI, "file:"); ok {
				named = append(named, file)
			}
		}
	}
	for _, n := range named {
		mounted := n == "" || slices.ContainsFunc(pod.Containers[0].VolumeMounts, func(m core.VolumeMount) bool { return strings.HasPrefix(n, m.MountPath+"/") })
		if !mounted {
			t.Errorf("%q: %s is not mounted", set, n)
		}
	}
}

// TestWrongValues are refused by the schema.
func TestWrongValues(t *testing.T) {
	for name, v := range map[string]string{
		"an unknown value":               "colour: red",
		"an unknown value further in":    "image: {colour: red}",
		"an unknown setting":             "config: {teams: [], colour: red}",
		"an unknown setting further in":  "config: {teams: [{name: a, keys: [{id: K, uri: 'file:x', p8: secret}]}]}",
		"a password in the URL of Redis": "redis: {url: 'redis://:secret@host:6379/0'}",
		"a port that is none":            "service: {ports: {rest: 0}}",
		"a digest that is none":          "image: {digest: latest}",
		"a duration that is none":        "config: {teams: [], quota: {max_wait: soon}}",
		"several replicas, no secret":    "{replicaCount: 2, secrets: {existingSecret: ''}}",
		"autoscaling, no secret":         "{replicaCount: 1, autoscaling: {enabled: true}, secrets: {existingSecret: ''}}",
	} {
		values := map[string]any{}
		if err := yaml.Unmarshal([]byte(v), &values); err != nil {
			t.Fatal(err)
		}
		if _, err := render(t, values); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// TestGOMEMLIMIT is 80 % of the memory limit, as Kubernetes itself reads it.
func TestGOMEMLIMIT(t *testing.T) {
	for _, limit := range []string{"512Mi", "1Gi", "1.5Gi", "500M", "2G", "524288Ki", "900000k", "536870912", "6e8", "'1E9'", "600000000000m", "0.0005Ti"} {
		values := map[string]any{}
		if err := yaml.Unmarshal([]byte("resources: {limits: {memory: "+limit+"}}"), &values); err != nil {
			t.Fatal(err)
		}
		d := deployment(t, values)
		c := d.Spec.Template.Spec.Containers[0]
		want := c.Resources.Limits.Memory().Value() * 8 / 10
		got := int64(-1)
		for _, e := range c.Env {
			if e.Name == "GOMEMLIMIT" {
				got, _ = strconv.ParseInt(e.Value, 10, 64)
			}
		}
		if got < want-1 || got > want+1 {
			t.Errorf("limit %s: GOMEMLIMIT is %d, want %d", limit, got, want)
		}
	}
	none := deployment(t, map[string]any{"resources": map[string]any{"limits": nil}})
	if env := none.Spec.Template.Spec.Containers[0].Env; len(env) > 0 {
		t.Errorf("without a limit: %v", env)
	}
	for _, limit := range []string{"lots", "512 MB", "-1Gi"} {
		if _, err := render(t, map[string]any{"resources": map[string]any{"limits": map[string]any{"memory": limit}}}); err == nil {
			t.Errorf("%s is taken", limit)
		}
	}
}

// deployment is the one that values render.
func deployment(t *testing.T, values map[string]any) *apps.Deployment {
	t.Helper()
	files, err := render(t, values)
	if err != nil {
		t.Fatal(err)
	}
	d := &apps.Deployment{}
	if err := yaml.UnmarshalStrict([]byte(files["asc-gateway/templates/deployment.yaml"]), d); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestSnapshot holds what the defaults render. -update writes it anew.
func TestSnapshot(t *testing.T) {
	files, err := render(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	var b bytes.Buffer
	for _, name := range names {
		if text := strings.TrimSpace(files[name]); text != "" {
			b.WriteString("# " + name + "\n" + text + "\n---\n")
		}
	}
	hold(t, "testdata/defaults.yaml", b.Bytes())
}

// TestSchemaHoldsTheConfiguration: values.schema.json takes the settings that the
// gateway takes.
func TestSchemaHoldsTheConfiguration(t *testing.T) {
	read := func(file string) (m map[string]any) {
		b, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(b, &m)
		}
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	schema, gateway := read(chartDir+"/values.schema.json"), read("../../../docs/gateway.schema.json")
	schema["$defs"] = gateway["$defs"]
	b, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	hold(t, chartDir+"/values.schema.json", append(b, '\n'))
}

func hold(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not up to date (go test -update): %v", file, err)
	}
}

// TestAlerts lets promtool judge the rules, and run their tests.
func TestAlerts(t *testing.T) {
	for _, args := range [][]string{{"check", "rules", chartDir + "/files/alerts.yaml"}, {"test", "rules", "alerts_test.yaml"}} {
		if out, err := exec.Command("promtool", args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %v (make setup installs it): %v\n%s", args, err, out)
		}
	}
}

// TestAlertsAndDashboardNameMetrics that the gateway tells.
func TestAlertsAndDashboardNameMetrics(t *testing.T) {
	table, err := os.ReadFile("../../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	known := strings.NewReplacer(".", "_").Replace(string(table))
	for _, file := range []string{"alerts.yaml", "dashboard.json"} {
		b, err := os.ReadFile(chartDir + "/files/" + file)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range strings.FieldsFunc(string(b), func(r rune) bool {
			return r != '_' && (r < 'a' || r > 'z') && (r < '0' || r > '9')
		}) {
			for _, prefix := range []string{"ascgateway_", "http_client_", "http_server_", "rpc_server_"} {
				if !strings.HasPrefix(word, prefix) {
					continue
				}
				base := word
				for _, suffix := range []string{"_total", "_bucket", "_count", "_sum", "_seconds", "_bytes"} {
					base = strings.TrimSuffix(base, suffix)
				}
				if word != "http_response_status_code" && !strings.Contains(known, "`"+base+"`") {
					t.Errorf("%s: nobody tells %s", file, word)
				}
			}
		}
	}
}
