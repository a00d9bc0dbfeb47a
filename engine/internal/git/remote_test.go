package git

import (
	"context"
	"net"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestTagsOfAnotherRepositoryAreListed(t *testing.T) {
	enterFolder(t)
	command(t, "init", "--quiet")
	command(t, "commit", "--quiet", "--allow-empty", "--message=one")
	command(t, "tag", "v1.0.0")
	command(t, "tag", "--annotate", "--message=two", "v1.1.0")
	folder, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	tags, err := Repository{}.RemoteTags(context.Background(), "file://"+folder)
	if err != nil || !slices.Equal(tags, []string{"v1.0.0", "v1.1.0"}) {
		t.Error(tags, err)
	}
}

func TestARepositoryThatDoesNotAnswerIsNotWaitedFor(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for _, url := range []string{"https://" + silent.Addr().String() + "/x", "file:///nowhere", "ext::sh -c exit", "--upload-pack=x"} {
		started := time.Now()
		if _, err := (Repository{}).RemoteTags(context.Background(), url); err == nil || time.Since(started) > 2*patience {
			t.Error(url, err, time.Since(started))
		}
	}
}
