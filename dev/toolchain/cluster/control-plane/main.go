// Command control-plane runs a Kubernetes cluster for one test session, in one process: etcd, kube-apiserver, the
// controllers that a Job meets, and a node that runs the engine of a service's folder where a container would run.
// It says on standard output where its kubeconfig is, and ends when its standard input does.
package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
)

func main() {
	folder := flag.String("folder", "", "where everything is kept")
	images := flag.String("images", "", "holds a service's folder for each tag of an image")
	flag.Parse()

	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	if err := run(context.Background(), *folder, Node{Images: *images, Folder: *folder}); err != nil {
		fmt.Fprintln(os.Stderr, "control-plane:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, folder string, node Node) error {
	etcd, err := startEtcd(folder)
	if err != nil {
		return err
	}
	defer etcd.Close()
	config, err := startAPIServer(ctx, folder, etcd.Clients[0].Addr().String())
	if err != nil {
		return err
	}
	if err := startControllers(ctx, config); err != nil {
		return err
	}
	if err := node.start(ctx, config); err != nil {
		return err
	}
	kubeconfig := filepath.Join(folder, "kubeconfig")
	if err := writeKubeconfig(kubeconfig, config); err != nil {
		return err
	}
	fmt.Println(kubeconfig)
	select {}
}

func startEtcd(folder string) (*embed.Etcd, error) {
	config := embed.NewConfig()
	config.Dir = filepath.Join(folder, "etcd")
	config.LogLevel = "error"
	config.UnsafeNoFsync = true
	free := url.URL{Scheme: "http", Host: "127.0.0.1:0"}
	config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{free}, []url.URL{free}
	config.ListenPeerUrls, config.AdvertisePeerUrls = []url.URL{free}, []url.URL{free}
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	etcd, err := embed.StartEtcd(config)
	if err != nil {
		return nil, err
	}
	<-etcd.Server.ReadyNotify()
	return etcd, nil
}

func startAPIServer(ctx context.Context, folder, etcd string) (*rest.Config, error) {
	token := make([]byte, 16)
	if _, err := rand.Read(token); err != nil {
		return nil, err
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	keyFile, tokenFile := filepath.Join(folder, "service-accounts.pem"), filepath.Join(folder, "tokens.csv")
	block := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	if err := os.WriteFile(keyFile, block, 0o600); err != nil {
		return nil, err
	}
	text := hex.EncodeToString(token)
	if err := os.WriteFile(tokenFile, []byte(text+",admin,admin,system:masters\n"), 0o600); err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	command := apiserver.NewAPIServerCommand()
	command.SetArgs([]string{
		"--etcd-servers=http://" + etcd,
		"--bind-address=127.0.0.1", "--secure-port=" + strconv.Itoa(port),
		// It wants an address that is not this machine's own, and nobody goes there.
		"--advertise-address=192.0.2.1", "--endpoint-reconciler-type=none",
		"--cert-dir=" + filepath.Join(folder, "certificates"),
		"--token-auth-file=" + tokenFile,
		"--authorization-mode=RBAC",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + keyFile, "--service-account-signing-key-file=" + keyFile,
		"--service-cluster-ip-range=10.0.0.0/24",
		"--v=0",
	})
	go func() {
		fmt.Fprintln(os.Stderr, "kube-apiserver:", command.ExecuteContext(ctx))
		os.Exit(1)
	}()
	config := &rest.Config{Host: fmt.Sprintf("https://127.0.0.1:%d", port), BearerToken: text, QPS: -1}
	config.TLSClientConfig.CAFile = filepath.Join(folder, "certificates", "apiserver.crt")
	return config, awaitReady(config)
}

func awaitReady(config *rest.Config) error {
	patience := time.Now().Add(2 * time.Minute)
	for {
		err := ready(config)
		if err == nil || time.Now().After(patience) {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

func writeKubeconfig(file string, config *rest.Config) error {
	const name = "test"
	content := clientcmdapi.NewConfig()
	content.Clusters[name] = &clientcmdapi.Cluster{Server: config.Host, CertificateAuthority: config.CAFile}
	content.AuthInfos[name] = &clientcmdapi.AuthInfo{Token: config.BearerToken}
	content.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	content.CurrentContext = name
	return clientcmd.WriteToFile(*content, file)
}
