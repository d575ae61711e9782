// Package shopv1 is the shop's gRPC contract, generated from proto/shop/v1.
//
// To generate it again: protoc (3.21 or later), protoc-gen-go (google.golang.org/protobuf) and
// protoc-gen-go-grpc (google.golang.org/grpc/cmd) on the PATH, then go generate ./internal/shopv1.
package shopv1

//go:generate protoc -I ../../proto --go_out=../.. --go_opt=module=shop --go-grpc_out=../.. --go-grpc_opt=module=shop shop/v1/types.proto shop/v1/orders.proto shop/v1/payments.proto shop/v1/inventory.proto
