// Package deploy tests the files under deploy as far as that goes without what
// they are for: that they are YAML of which every key is known, that Taba takes
// every flag, variable and setting in them, that what they refer to is there,
// and that probes ask for what a process serves.
package deploy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/tabaproject/taba/internal/app"
)

const dir = "../../deploy"

// read decodes a document strictly.
func read(t *testing.T, what string, text []byte, into any) {
	t.Helper()
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(into); err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

func text(t *testing.T, path ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(append([]string{dir}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// objects are those of the manifests.
type objects struct {
	configMaps map[string]configMap
	services   map[string]service
	workloads  map[string]workload
	budgets    map[string]budget
}

func manifests(t *testing.T) objects {
	t.Helper()
	o := objects{map[string]configMap{}, map[string]service{}, map[string]workload{}, map[string]budget{}}
	var k kustomization
	read(t, "kustomization.yaml", text(t, "kubernetes", "kustomization.yaml"), &k)
	files, err := filepath.Glob(filepath.Join(dir, "kubernetes", "*.yaml"))
	if err != nil || len(files) != len(k.Resources)+1 {
		t.Errorf("the resources %v are not all of the files %v (%v)", k.Resources, files, err)
	}
	for _, file := range k.Resources {
		all := yaml.NewDecoder(bytes.NewReader(text(t, "kubernetes", file)))
		for i := 1; ; i++ {
			var n yaml.Node
			if err := all.Decode(&n); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			o.add(t, fmt.Sprintf("%s, document %d", file, i), &n)
		}
	}
	return o
}

// add decodes an object by its kind.
func (o *objects) add(t *testing.T, what string, n *yaml.Node) {
	t.Helper()
	var h head
	if err := n.Decode(&h); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	doc, err := yaml.Marshal(n)
	if err != nil {
		t.Fatal(err)
	}
	name := h.Metadata.Name
	switch h.APIVersion + " " + h.Kind {
	case "v1 Namespace":
		read(t, what, doc, &h)
	case "v1 ConfigMap":
		var c configMap
		read(t, what, doc, &c)
		o.configMaps[name] = c
	case "v1 Service":
		var s service
		read(t, what, doc, &s)
		o.services[name] = s
	case "policy/v1 PodDisruptionBudget":
		var b budget
		read(t, what, doc, &b)
		o.budgets[name] = b
	case "apps/v1 Deployment", "apps/v1 DaemonSet", "apps/v1 StatefulSet":
		var w workload
		read(t, what, doc, &w)
		o.workloads[name] = w
	default:
		t.Errorf("%s: there is no kind %s of %s", what, h.Kind, h.APIVersion)
	}
}

// TestManifests: what objects refer to is there, and selectors select.
func TestManifests(t *testing.T) {
	o := manifests(t)
	selects := func(what string, selector map[string]string) (found *workload) {
		t.Helper()
		for _, w := range o.workloads {
			if within(selector, w.Spec.Template.Metadata.Labels) || o.selectsPod(selector, &w) {
				found = &w
			}
		}
		if len(selector) == 0 || found == nil {
			t.Errorf("%s: nothing has the labels %v", what, selector)
			return &workload{}
		}
		return found
	}
	for name, s := range o.services {
		w := selects("service "+name, s.Spec.Selector)
		for _, p := range s.Spec.Ports {
			if !hasPort(w, p.Port) {
				t.Errorf("service %s: %s has no port %d", name, w.Metadata.Name, p.Port)
			}
		}
	}
	for name, b := range o.budgets {
		if w := selects("budget "+name, b.Spec.Selector.MatchLabels); b.Spec.MaxUnavailable >= max(w.Spec.Replicas, 1) {
			t.Errorf("budget %s: %d of %d may be away", name, b.Spec.MaxUnavailable, w.Spec.Replicas)
		}
	}
	for name, w := range o.workloads {
		if !within(w.Spec.Selector.MatchLabels, w.Spec.Template.Metadata.Labels) {
			t.Errorf("%s does not select its own pods", name)
		}
		if _, ok := o.services[w.Spec.ServiceName]; w.Kind == "StatefulSet" && !ok {
			t.Errorf("%s: there is no service %q", name, w.Spec.ServiceName)
		}
		o.mounts(t, &w)
		o.named(t, &w)
	}
}

const podName = "statefulset.kubernetes.io/pod-name"

// selectsPod reports whether a selector is for one pod of a StatefulSet.
func (o *objects) selectsPod(selector map[string]string, w *workload) bool {
	labels := maps.Clone(w.Spec.Template.Metadata.Labels)
	for i := range w.Spec.Replicas {
		labels[podName] = fmt.Sprintf("%s-%d", w.Metadata.Name, i)
		if w.Kind == "StatefulSet" && within(selector, labels) {
			return true
		}
	}
	return false
}

// named checks that each pod of a StatefulSet has a Service of its name, with an
// address: what Redis and Sentinels go by must resolve while the pod is away.
func (o *objects) named(t *testing.T, w *workload) {
	t.Helper()
	for i := range w.Spec.Replicas {
		name := fmt.Sprintf("%s-%d", w.Metadata.Name, i)
		s := o.services[name]
		if w.Kind == "StatefulSet" && (s.Spec.Selector[podName] != name || s.Spec.ClusterIP != "" || !s.Spec.PublishNotReadyAddresses) {
			t.Errorf("the pod %s has no service of its own, with an address, ready or not: %+v", name, s.Spec)
		}
	}
}

// mounts checks volumes and what is mounted of them.
func (o *objects) mounts(t *testing.T, w *workload) {
	t.Helper()
	var names []string
	for _, v := range w.Spec.Template.Spec.Volumes {
		names = append(names, v.Name)
		if _, ok := o.configMaps[v.ConfigMap.Name]; v.ConfigMap.Name != "" && !ok {
			t.Errorf("%s: there is no ConfigMap %s", w.Metadata.Name, v.ConfigMap.Name)
		}
		if v.Secret.DefaultMode&0o007 != 0 {
			t.Errorf("%s: others may read the secret %s", w.Metadata.Name, v.Secret.SecretName)
		}
	}
	for _, v := range w.Spec.VolumeClaimTemplates {
		names = append(names, v.Metadata.Name)
	}
	for _, c := range append(w.Spec.Template.Spec.InitContainers, w.Spec.Template.Spec.Containers...) {
		for _, m := range c.VolumeMounts {
			if !slices.Contains(names, m.Name) {
				t.Errorf("%s: there is no volume %s", w.Metadata.Name, m.Name)
			}
		}
	}
}

func hasPort(w *workload, port int) bool {
	for _, c := range w.Spec.Template.Spec.Containers {
		for _, p := range c.Ports {
			if p.ContainerPort == port {
				return true
			}
		}
	}
	return false
}

func within(part, whole map[string]string) bool {
	for k, v := range part {
		if whole[k] != v {
			return false
		}
	}
	return true
}

// TestScripts: what pods are started by is read by a shell without complaint.
func TestScripts(t *testing.T) {
	for name, script := range manifests(t).configMaps["redis"].Data {
		if !strings.HasPrefix(name, "start-") {
			continue
		}
		cmd := exec.Command("sh", "-n")
		cmd.Stdin = strings.NewReader(script)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
}

// TestSettingsInManifests: Taba takes what its pods are given.
func TestSettingsInManifests(t *testing.T) {
	o := manifests(t)
	file := filepath.Join(t.TempDir(), "taba.yaml")
	if err := os.WriteFile(file, []byte(o.configMaps["taba"].Data["taba.yaml"]), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"taba-server", "taba-agent"} {
		c := o.workloads[name].Spec.Template.Spec.Containers[0]
		env := map[string]string{}
		for _, v := range c.Env {
			if env[v.Name] = v.Value; v.Value == "" {
				env[v.Name] = "secret"
			}
			for known, value := range env { // as Kubernetes does, in their order
				env[v.Name] = strings.ReplaceAll(env[v.Name], "$("+known+")", value)
			}
		}
		listen := accepted(t, name, file, c.Args, env)
		probes(t, c, listen)
	}
}

// accepted checks what a process is started with, and returns where it listens.
func accepted(t *testing.T, what, file string, args []string, env map[string]string) (listen string) {
	t.Helper()
	for name, value := range env {
		t.Setenv(name, value)
	}
	given := map[string]string{}
	for i := 1; i < len(args); i++ {
		name, ok := strings.CutPrefix(args[i], "--")
		if !ok {
			t.Errorf("%s: %q is no flag", what, args[i])
			continue
		}
		given[name] = "true"
		if i+1 < len(args) && !strings.HasPrefix(args[i+1], "--") {
			i++
			given[name] = args[i]
		}
	}
	known := []string{"config"}
	for _, k := range app.Keys(args[0]) {
		known = append(known, k.Flag())
	}
	for name := range given {
		if !slices.Contains(known, name) {
			t.Errorf("%s: there is no flag --%s", what, name)
		}
	}
	if given["config"] == "" {
		file = ""
	}
	sources := app.Sources{File: file, Flag: func(name string) (string, bool) { v, ok := given[name]; return v, ok }}
	var err error
	if args[0] == app.SectionAgent {
		var cfg app.AgentConfig
		cfg, _, err = sources.Agent()
		listen = cfg.Listen
	} else {
		var cfg app.ServerConfig
		cfg, _, err = sources.Server()
		listen = cfg.Listen
		if !strings.HasPrefix(cfg.Store, "redis") {
			t.Errorf("%s: the store is %s", what, cfg.Store)
		}
	}
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
	return listen
}

// probes checks that what is asked of a container is served there.
func probes(t *testing.T, c container, listen string) {
	t.Helper()
	url := serve(t)
	for i, p := range []probe{c.ReadinessProbe, c.LivenessProbe} {
		if len(p.Exec.Command) > 0 {
			want := []string{"/usr/local/bin/taba", "status", "--server", "http://" + listen}
			if i == 1 { // what lacks something is not to be started anew
				want = slices.Insert(want, 2, "--alive")
			}
			if !slices.Equal(p.Exec.Command, want) {
				t.Errorf("%s is probed by %v, want %v", c.Name, p.Exec.Command, want)
			}
			continue
		}
		if p.HTTPGet.Port != "http" || c.Ports[0].Name != "http" || !strings.HasSuffix(listen, fmt.Sprintf(":%d", c.Ports[0].ContainerPort)) {
			t.Errorf("%s is probed at port %s, and listens on %s", c.Name, p.HTTPGet.Port, listen)
		}
		resp, err := http.Get(url + p.HTTPGet.Path)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s is probed at %s, which a server answers %s", c.Name, p.HTTPGet.Path, resp.Status)
		}
	}
}

// serve runs a server until the test ends.
func serve(t *testing.T) (url string) {
	t.Helper()
	cfg := app.DefaultServerConfig()
	cfg.Listen, cfg.Store = "127.0.0.1:0", "memory"
	return run(t, func(ctx context.Context, o app.Options) error { return app.RunServer(ctx, cfg, o) })
}

// run runs a process until the test ends.
func run(t *testing.T, process func(context.Context, app.Options) error) (url string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- process(ctx, app.Options{Ready: func(addr string) { ready <- addr }}) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return "http://" + <-ready
}

// TestCompose: the same of the file for docker compose.
func TestCompose(t *testing.T) {
	var c compose
	read(t, "compose.yaml", text(t, "compose.yaml"), &c)
	taba := 0
	for name, s := range c.Services {
		for _, d := range s.DependsOn {
			if _, ok := c.Services[d]; !ok {
				t.Errorf("%s depends on %s, which is not there", name, d)
			}
		}
		for _, v := range s.Volumes {
			volume, _, _ := strings.Cut(v, ":")
			if _, ok := c.Volumes[volume]; !ok {
				t.Errorf("%s: there is no volume %s", name, volume)
			}
		}
		for _, f := range s.Configs {
			if _, ok := c.Configs[f.Source]; !ok {
				t.Errorf("%s: there is no config %s", name, f.Source)
			}
		}
		for _, p := range s.Ports {
			if !strings.HasPrefix(p, "127.0.0.1:") {
				t.Errorf("%s: port %s is open to other machines", name, p)
			}
		}
		if s.Image != "taba" {
			continue
		}
		taba++
		listen := accepted(t, name, "", s.Command, s.Environment)
		port := listen[strings.LastIndex(listen, ":"):]
		if !strings.HasSuffix(s.Ports[0], port) {
			t.Errorf("%s listens on %s and publishes %v", name, listen, s.Ports)
		}
		if want := []string{"CMD", "/usr/local/bin/taba", "status", "--server", "http://127.0.0.1" + port}; !slices.Equal(s.Healthcheck.Test, want) {
			t.Errorf("%s is asked for its health by %v, want %v", name, s.Healthcheck.Test, want)
		}
	}
	if taba != 4 {
		t.Errorf("%d processes are Taba's, want three servers and an agent", taba)
	}
	for name, f := range c.Configs {
		var any map[string]any
		read(t, name, []byte(f.Content), &any)
	}
}

// TestDockerfile: the image holds what manifests start.
func TestDockerfile(t *testing.T) {
	file := string(text(t, "Dockerfile"))
	for _, want := range []string{"golang:1.26 ", "node build.mjs", "COPY --from=page /src/web/dist web/dist", "./cmd/taba", `ENTRYPOINT ["/usr/local/bin/taba"]`, "EXPOSE 8279 8300", "-X main.version="} {
		if !strings.Contains(file, want) {
			t.Errorf("the Dockerfile lacks %q", want)
		}
	}
}
