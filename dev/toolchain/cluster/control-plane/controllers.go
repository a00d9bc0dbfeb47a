package main

import (
	"context"
	"net/http"
	"time"

	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/controller-manager/pkg/informerfactory"
	"k8s.io/kubernetes/pkg/controller/garbagecollector"
	"k8s.io/kubernetes/pkg/controller/job"
	"k8s.io/kubernetes/pkg/controller/ttlafterfinished"
)

func ready(config *rest.Config) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	var status int
	err = client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(context.Background()).StatusCode(&status).Error()
	if err == nil && status != http.StatusOK {
		err = http.ErrServerClosed
	}
	return err
}

// startControllers starts those of kube-controller-manager's controllers that a Job meets.
func startControllers(ctx context.Context, config *rest.Config) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	metadataClient, err := metadata.NewForConfig(config)
	if err != nil {
		return err
	}
	shared := informers.NewSharedInformerFactory(client, 0)
	metadataShared := metadatainformer.NewSharedInformerFactory(metadataClient, 0)
	jobs, err := job.NewController(ctx, client, shared.Core().V1().Pods(), shared.Batch().V1().Jobs(), nil, nil)
	if err != nil {
		return err
	}
	expired := ttlafterfinished.New(ctx, shared.Batch().V1().Jobs(), client)
	started := make(chan struct{})
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(client.Discovery()))
	garbage, err := garbagecollector.NewGarbageCollector(ctx, client, metadataClient, mapper,
		garbagecollector.DefaultIgnoredResources(), informerfactory.NewInformerFactory(shared, metadataShared), started)
	if err != nil {
		return err
	}
	go jobs.Run(ctx, 2)
	go expired.Run(ctx, 1)
	go garbage.Run(ctx, 2, time.Minute)
	shared.Start(ctx.Done())
	metadataShared.Start(ctx.Done())
	close(started)
	go garbage.Sync(ctx, client.Discovery(), 30*time.Second)
	return nil
}
