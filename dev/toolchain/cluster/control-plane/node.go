package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"
)

const nodeName = "node"

// Node does what a kubelet does, except that it isolates nothing: the image of a container is a service's folder on this
// machine, named as the image's tag, and its entry point the engine that was built there.
type Node struct {
	Images, Folder string

	client *kubernetes.Clientset
	known  sync.Map // of the pods that this node has taken
}

func (n *Node) start(ctx context.Context, config *rest.Config) error {
	var err error
	if n.client, err = kubernetes.NewForConfig(config); err != nil {
		return err
	}
	if err := n.serveLogs(ctx); err != nil {
		return err
	}
	shared := informers.NewSharedInformerFactory(n.client, 0)
	_, err = shared.Core().V1().Pods().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(pod any) { n.meet(ctx, pod.(*core.Pod)) },
		UpdateFunc: func(_, pod any) { n.meet(ctx, pod.(*core.Pod)) },
	})
	shared.Start(ctx.Done())
	return err
}

// process is one container that was started.
type process struct {
	command *exec.Cmd
	log     string
	ended   chan struct{}
	stop    sync.Once
}

func (n *Node) meet(ctx context.Context, pod *core.Pod) {
	known, old := n.known.LoadOrStore(pod.UID, &process{ended: make(chan struct{}), log: n.place(pod, "log")})
	running := known.(*process)
	if !old {
		go n.run(ctx, pod.DeepCopy(), running)
	}
	if pod.DeletionTimestamp != nil {
		running.stop.Do(func() { go n.end(ctx, pod, running) })
	}
}

func (n *Node) run(ctx context.Context, pod *core.Pod, running *process) {
	defer close(running.ended)
	binding := &core.Binding{ObjectMeta: meta.ObjectMeta{Name: pod.Name, UID: pod.UID}, Target: core.ObjectReference{Kind: "Node", Name: nodeName}}
	if err := n.client.CoreV1().Pods(pod.Namespace).Bind(ctx, binding, meta.CreateOptions{}); err != nil {
		fmt.Fprintln(os.Stderr, "node:", err)
		return
	}
	container := pod.Spec.Containers[0]
	started := meta.Now()
	state := func(phase core.PodPhase, state core.ContainerState) {
		n.report(ctx, pod, core.PodStatus{
			Phase: phase, StartTime: &started,
			ContainerStatuses: []core.ContainerStatus{{Name: container.Name, Image: container.Image, State: state}},
		})
	}
	variables, err := n.prepare(ctx, pod)
	if err != nil {
		state(core.PodPending, core.ContainerState{Waiting: &core.ContainerStateWaiting{Reason: "CreateContainerConfigError", Message: err.Error()}})
		return
	}
	image := filepath.Join(n.Images, tag(container.Image))
	if _, err := os.Stat(image); err != nil {
		state(core.PodPending, core.ContainerState{Waiting: &core.ContainerStateWaiting{Reason: "ErrImagePull", Message: err.Error()}})
		return
	}
	log, err := os.Create(running.log)
	if err != nil {
		fmt.Fprintln(os.Stderr, "node:", err)
		return
	}
	defer log.Close()
	command := exec.Command(filepath.Join(image, "tools/migrate/bin/migrate"), container.Args...)
	command.Dir, command.Env, command.Stdout, command.Stderr = image, variables, log, log
	if err := command.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "node:", err)
		return
	}
	running.command = command
	state(core.PodRunning, core.ContainerState{Running: &core.ContainerStateRunning{StartedAt: started}})
	_ = command.Wait()

	result := &core.ContainerStateTerminated{
		ExitCode: int32(command.ProcessState.ExitCode()), StartedAt: started, FinishedAt: meta.Now(), Reason: "Completed",
	}
	if status, ok := command.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		result.ExitCode = 128 + int32(status.Signal())
	}
	phase := core.PodSucceeded
	if result.ExitCode != 0 {
		phase, result.Reason = core.PodFailed, "Error"
		if container.TerminationMessagePolicy == core.TerminationMessageFallbackToLogsOnError {
			text, _ := os.ReadFile(running.log)
			result.Message = string(text[max(0, len(text)-2048):])
		}
	}
	state(phase, core.ContainerState{Terminated: result})
}

func tag(image string) string {
	name, _, _ := strings.Cut(image, "@")
	return name[strings.LastIndex(name, ":")+1:]
}

// end stops the container of a pod that is being deleted, and lets the pod go.
func (n *Node) end(ctx context.Context, pod *core.Pod, running *process) {
	grace := time.Duration(ptr.Deref(pod.DeletionGracePeriodSeconds, 30)) * time.Second
	if running.command != nil {
		_ = running.command.Process.Signal(syscall.SIGTERM)
		time.AfterFunc(grace, func() { _ = running.command.Process.Kill() })
	}
	<-running.ended
	now := meta.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0), Preconditions: &meta.Preconditions{UID: &pod.UID}}
	_ = n.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, now)
}

func (n *Node) report(ctx context.Context, pod *core.Pod, status core.PodStatus) {
	for range 10 {
		newest, err := n.client.CoreV1().Pods(pod.Namespace).Get(ctx, pod.Name, meta.GetOptions{})
		if err != nil {
			return
		}
		newest.Status.Phase, newest.Status.StartTime = status.Phase, status.StartTime
		newest.Status.ContainerStatuses = status.ContainerStatuses
		if _, err = n.client.CoreV1().Pods(pod.Namespace).UpdateStatus(ctx, newest, meta.UpdateOptions{}); err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// prepare lays out the volumes and returns the variables of the first container, in which the mounts' paths
// are those on this machine.
func (n *Node) prepare(ctx context.Context, pod *core.Pod) ([]string, error) {
	container := pod.Spec.Containers[0]
	var moves []string
	for _, mount := range container.VolumeMounts {
		target := n.place(pod, "volumes", mount.Name)
		for _, volume := range pod.Spec.Volumes {
			if volume.Name == mount.Name {
				if err := n.fill(ctx, pod.Namespace, volume, target); err != nil {
					return nil, err
				}
			}
		}
		moves = append(moves, mount.MountPath, filepath.Join(target, mount.SubPath))
	}
	moved := strings.NewReplacer(moves...)
	var variables []string
	for _, entry := range container.Env {
		value := entry.Value
		if from := entry.ValueFrom; from != nil {
			reference := from.ConfigMapKeyRef
			if reference == nil {
				return nil, fmt.Errorf("%s comes from something else than a ConfigMap", entry.Name)
			}
			config, err := n.client.CoreV1().ConfigMaps(pod.Namespace).Get(ctx, reference.Name, meta.GetOptions{})
			found := false
			if err == nil {
				value, found = config.Data[reference.Key]
			}
			if !found && ptr.Deref(reference.Optional, false) {
				continue
			}
			if !found {
				return nil, fmt.Errorf("configmap %q has no key %q", reference.Name, reference.Key)
			}
		}
		variables = append(variables, entry.Name+"="+moved.Replace(value))
	}
	return variables, nil
}

func (n *Node) fill(ctx context.Context, namespace string, volume core.Volume, target string) error {
	files := map[string][]byte{}
	var items []core.KeyToPath
	switch {
	case volume.Secret != nil:
		secret, err := n.client.CoreV1().Secrets(namespace).Get(ctx, volume.Secret.SecretName, meta.GetOptions{})
		if err != nil {
			return err
		}
		files, items = secret.Data, volume.Secret.Items
	case volume.ConfigMap != nil:
		config, err := n.client.CoreV1().ConfigMaps(namespace).Get(ctx, volume.ConfigMap.Name, meta.GetOptions{})
		if err != nil {
			return err
		}
		for key, text := range config.Data {
			files[key] = []byte(text)
		}
		items = volume.ConfigMap.Items
	default:
		return fmt.Errorf("volume %q is neither a Secret nor a ConfigMap", volume.Name)
	}
	if err := os.MkdirAll(target, 0o700); err != nil {
		return err
	}
	for _, item := range items {
		content, found := files[item.Key]
		if !found {
			return fmt.Errorf("volume %q has no key %q", volume.Name, item.Key)
		}
		if err := os.WriteFile(filepath.Join(target, item.Path), content, 0o400); err != nil {
			return err
		}
	}
	return nil
}

func (n *Node) place(pod *core.Pod, words ...string) string {
	folder := filepath.Join(n.Folder, "pods", string(pod.UID))
	_ = os.MkdirAll(folder, 0o700)
	return filepath.Join(append([]string{folder}, words...)...)
}

// serveLogs answers `kubectl logs`, which kube-apiserver passes on to the node.
func (n *Node) serveLogs(ctx context.Context) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	node := &core.Node{ObjectMeta: meta.ObjectMeta{Name: nodeName}}
	if node, err = n.client.CoreV1().Nodes().Create(ctx, node, meta.CreateOptions{}); err != nil {
		return err
	}
	node.Status.Addresses = []core.NodeAddress{{Type: core.NodeInternalIP, Address: "127.0.0.1"}}
	node.Status.DaemonEndpoints.KubeletEndpoint.Port = int32(listener.Addr().(*net.TCPAddr).Port)
	if _, err = n.client.CoreV1().Nodes().UpdateStatus(ctx, node, meta.UpdateOptions{}); err != nil {
		return err
	}
	routes := http.NewServeMux()
	routes.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", n.log)
	certificate, err := tls.LoadX509KeyPair(filepath.Join(n.Folder, "certificates", "apiserver.crt"), filepath.Join(n.Folder, "certificates", "apiserver.key"))
	if err != nil {
		return err
	}
	server := &http.Server{Handler: routes}
	go func() {
		err := server.Serve(tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{certificate}}))
		if !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintln(os.Stderr, "node:", err)
		}
	}()
	return nil
}

func (n *Node) log(answer http.ResponseWriter, request *http.Request) {
	pod, err := n.client.CoreV1().Pods(request.PathValue("namespace")).Get(request.Context(), request.PathValue("pod"), meta.GetOptions{})
	if err != nil {
		http.Error(answer, err.Error(), http.StatusNotFound)
		return
	}
	known, found := n.known.Load(pod.UID)
	if !found {
		http.Error(answer, "this node does not run the pod", http.StatusNotFound)
		return
	}
	running := known.(*process)
	sent := 0
	send := func() {
		text, _ := os.ReadFile(running.log)
		_, _ = io.Copy(answer, bytes.NewReader(text[sent:]))
		sent = len(text)
		http.NewResponseController(answer).Flush()
	}
	for request.URL.Query().Get("follow") == "true" {
		send()
		select {
		case <-running.ended:
			send()
			return
		case <-request.Context().Done():
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
	send()
}
