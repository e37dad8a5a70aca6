package main

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// readyWithin covers a slow, busy machine; an idle one needs about 3 seconds.
const readyWithin = 90 * time.Second

//go:embed audit-policy.yaml
var auditPolicy []byte

// report is the JSON line that tells the caller what was started.
type report struct {
	Dir        string         `json:"dir"`
	Kubeconfig string         `json:"kubeconfig"`
	Server     string         `json:"server"`
	AuditLog   string         `json:"auditLog"`
	Pids       map[string]int `json:"pids"`
}

// controlPlane is an etcd and a kube-apiserver whose files lie in dir.
type controlPlane struct {
	assets, dir string
	server      string
	token       string
	ca          []byte
	children    []*child
	release     func() // gives the port back
}

// runControlPlane keeps a control plane until the launcher is asked to end.
func runControlPlane(assets, dir string) (code int, err error) {
	// Absolute, because the children run in dir.
	if assets, err = filepath.Abs(assets); err != nil {
		return 1, err
	}
	if dir, err = makeDir(dir); err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)

	plane := &controlPlane{assets: assets, dir: dir}
	defer plane.stop()
	started := make(chan struct{})
	end := endRequested(func(line string) {
		<-started // the list of children is complete from here on
		obey(line, plane.children)
	})
	err = plane.start()
	close(started)
	if err != nil {
		return 1, err
	}
	ended := plane.anyDone()
	if err = plane.waitUntilReady(end, ended); err != nil {
		return 1, err
	}
	if err = json.NewEncoder(os.Stdout).Encode(plane.report()); err != nil {
		return 1, err
	}
	select {
	case <-end:
		return 0, nil
	case <-ended:
		return 1, plane.failure("ended by itself")
	}
}

func makeDir(dir string) (string, error) {
	if dir == "" {
		return os.MkdirTemp("", "control-plane-")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return dir, os.Mkdir(dir, 0o700)
}

// start starts the programs, without waiting for them to be ready.
func (p *controlPlane) start() error {
	port, release, err := reservePort()
	if err != nil {
		return err
	}
	p.release = release
	p.server = "https://127.0.0.1:" + strconv.Itoa(port)
	if err := p.writeFiles(); err != nil {
		return err
	}
	if err := p.launch("etcd", etcdFlags()); err != nil {
		return err
	}
	return p.launch("kube-apiserver", apiserverFlags(port))
}

// writeFiles prepares everything that the two programs and kubectl read.
func (p *controlPlane) writeFiles() error {
	certs, err := newCertificates()
	if err != nil {
		return err
	}
	serviceAccountKey, err := newKeyPEM()
	if err != nil {
		return err
	}
	random := make([]byte, 16)
	if _, err := rand.Read(random); err != nil {
		return err
	}
	p.ca, p.token = certs.ca, hex.EncodeToString(random)
	return writeFiles(p.dir, map[string][]byte{
		"ca.crt":              certs.ca,
		"apiserver.crt":       certs.server,
		"apiserver.key":       certs.serverKey,
		"service-account.key": serviceAccountKey,
		"tokens.csv":          []byte(p.token + `,admin,admin,"system:masters"` + "\n"),
		"audit-policy.yaml":   auditPolicy,
		"kubeconfig":          []byte(p.kubeconfig()),
	})
}

func (p *controlPlane) kubeconfig() string {
	return fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
- name: control-plane
  cluster:
    server: %s
    certificate-authority-data: %s
users:
- name: admin
  user:
    token: %s
contexts:
- name: admin
  context: {cluster: control-plane, user: admin, namespace: default}
current-context: admin
`, p.server, base64.StdEncoding.EncodeToString(p.ca), p.token)
}

// etcd listens on sockets in the working directory: no port can be taken, and
// nobody else on the machine can reach it. etcd 3.5 insists on a port, which
// becomes a part of the file's name.
func etcdFlags() []string {
	return []string{
		"--name=etcd", "--data-dir=etcd", "--unsafe-no-fsync", "--log-level=warn",
		"--listen-client-urls=unix://etcd.sock:0", "--advertise-client-urls=unix://etcd.sock:0",
		"--listen-peer-urls=unix://peer.sock:0", "--initial-advertise-peer-urls=unix://peer.sock:0",
		"--initial-cluster=etcd=unix://peer.sock:0",
	}
}

func apiserverFlags(port int) []string {
	return []string{
		"--etcd-servers=unix://etcd.sock:0",
		"--bind-address=127.0.0.1", "--secure-port=" + strconv.Itoa(port), "--permit-port-sharing",
		"--tls-cert-file=apiserver.crt", "--tls-private-key-file=apiserver.key",
		"--token-auth-file=tokens.csv", "--authorization-mode=RBAC",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=service-account.key",
		"--service-account-signing-key-file=service-account.key",
		"--service-cluster-ip-range=10.0.0.0/24",
		// It waits for a ServiceAccount `default` that only a controller-manager makes.
		"--disable-admission-plugins=ServiceAccount",
		"--audit-policy-file=audit-policy.yaml", "--audit-log-path=audit.log",
		// In megabytes: a log that is rotated half-way would hide what came before.
		"--audit-log-maxsize=100000",
	}
}

// launch starts one program of the assets; its output goes to NAME.log.
func (p *controlPlane) launch(name string, flags []string) error {
	log, err := openLog(p.logPath(name))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(filepath.Join(p.assets, name), flags...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.dir, log, log
	// Memory for time: garbage is collected less often.
	cmd.Env = append(os.Environ(), "GOGC=400")
	c, err := start(name, cmd)
	if err != nil {
		return err
	}
	p.children = append(p.children, c)
	return nil
}

func (p *controlPlane) logPath(name string) string { return filepath.Join(p.dir, name+".log") }

func (p *controlPlane) waitUntilReady(end, ended <-chan struct{}) error {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(p.ca)
	client := &http.Client{
		Timeout:   5 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}},
	}
	tooLate := time.After(readyWithin)
	for !p.ready(client) {
		select {
		case <-end:
			return errors.New("asked to end before the control plane was ready")
		case <-ended:
			return p.failure("ended before it was ready")
		case <-tooLate:
			return p.failure(fmt.Sprintf("not ready after %s", readyWithin))
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

func (p *controlPlane) ready(client *http.Client) bool {
	request, err := http.NewRequest(http.MethodGet, p.server+"/readyz", nil)
	if err != nil {
		return false
	}
	request.Header.Set("Authorization", "Bearer "+p.token)
	answer, err := client.Do(request)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// anyDone tells when one of the programs has ended.
func (p *controlPlane) anyDone() <-chan struct{} {
	any := make(chan struct{}, len(p.children))
	for _, c := range p.children {
		go func() { <-c.done; any <- struct{}{} }()
	}
	return any
}

// failure says which program is at fault, with the end of its log, because
// the directory is removed.
func (p *controlPlane) failure(what string) error {
	failed := p.children[len(p.children)-1]
	for _, c := range p.children {
		select {
		case <-c.done:
			failed = c
		default:
			continue
		}
		break
	}
	log, _ := os.ReadFile(p.logPath(failed.name))
	if len(log) > 4096 {
		log = log[len(log)-4096:]
	}
	return fmt.Errorf("%s %s; the end of its log:\n%s", failed.name, what, log)
}

// stop ends the API server first, so that it does not wait for its store.
func (p *controlPlane) stop() {
	for i := len(p.children) - 1; i >= 0; i-- {
		p.children[i].stop()
	}
	if p.release != nil {
		p.release()
	}
}

func (p *controlPlane) report() report {
	pids := map[string]int{"launcher": os.Getpid()}
	for _, c := range p.children {
		pids[c.name] = c.cmd.Process.Pid
	}
	return report{
		Dir:        p.dir,
		Kubeconfig: filepath.Join(p.dir, "kubeconfig"),
		Server:     p.server,
		AuditLog:   filepath.Join(p.dir, "audit.log"),
		Pids:       pids,
	}
}

// reservePort takes a free loopback port and keeps it, bound but not
// listening, until the API server shares it: nobody else can get it between.
func reservePort() (port int, release func(), err error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		return 0, nil, err
	}
	syscall.CloseOnExec(fd)
	release = func() { _ = syscall.Close(fd) }
	if err = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, reusePort, 1); err == nil {
		err = syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	}
	if err != nil {
		release()
		return 0, nil, err
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		release()
		return 0, nil, err
	}
	return name.(*syscall.SockaddrInet4).Port, release, nil
}
