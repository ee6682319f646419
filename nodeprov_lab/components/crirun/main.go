// Crirun asks containerd, as kubelet does, for a pod of a runtime handler, and prints what a command in it says:
//
//	crirun SOCKET HANDLER IMAGE COMMAND...
//
// The image must be there, with a `sleep`. The pod is removed, whatever happens.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

func run(socket, handler, image string, command []string) (output []byte, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	connection, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	service := cri.NewRuntimeServiceClient(connection)
	name := fmt.Sprintf("crirun-%d", os.Getpid())
	pod := &cri.PodSandboxConfig{
		Metadata: &cri.PodSandboxMetadata{Name: name, Uid: name, Namespace: "default"},
		Linux:    &cri.LinuxPodSandboxConfig{},
	}
	made, err := service.RunPodSandbox(ctx, &cri.RunPodSandboxRequest{Config: pod, RuntimeHandler: handler})
	if err != nil {
		return nil, err
	}
	id := made.PodSandboxId
	defer func() {
		_, stopped := service.StopPodSandbox(ctx, &cri.StopPodSandboxRequest{PodSandboxId: id})
		_, removed := service.RemovePodSandbox(ctx, &cri.RemovePodSandboxRequest{PodSandboxId: id})
		for _, failure := range []error{stopped, removed} {
			if err == nil {
				err = failure
			}
		}
	}()
	container, err := service.CreateContainer(ctx, &cri.CreateContainerRequest{
		PodSandboxId:  id,
		SandboxConfig: pod,
		Config: &cri.ContainerConfig{
			Metadata: &cri.ContainerMetadata{Name: "main"},
			Image:    &cri.ImageSpec{Image: image},
			Command:  []string{"sleep", "1000"},
			Linux:    &cri.LinuxContainerConfig{},
		},
	})
	if err != nil {
		return nil, err
	}
	if _, err = service.StartContainer(ctx, &cri.StartContainerRequest{ContainerId: container.ContainerId}); err != nil {
		return nil, err
	}
	said, err := service.ExecSync(ctx, &cri.ExecSyncRequest{ContainerId: container.ContainerId, Cmd: command, Timeout: 30})
	if err != nil {
		return nil, err
	}
	return append(said.Stdout, said.Stderr...), nil
}

func main() {
	if len(os.Args) < 5 {
		fmt.Fprintln(os.Stderr, "usage: crirun SOCKET HANDLER IMAGE COMMAND...")
		os.Exit(2)
	}
	output, err := run(os.Args[1], os.Args[2], os.Args[3], os.Args[4:])
	os.Stdout.Write(output)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
