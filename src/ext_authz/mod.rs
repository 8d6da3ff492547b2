//! `envoy.service.auth.v3.Authorization`: the question that Envoy asks over gRPC, read, and the answer, written. Nothing here decides.
//!
//! [`wire`] is the part of the encoding of Protocol Buffers that these messages need, [`frame`] that of gRPC, [`question`] reads a
//! `CheckRequest`, [`answer`] writes a `CheckResponse`, and [`health`] both messages of `grpc.health.v1.Health`.
//!
//! Reference: <https://github.com/envoyproxy/envoy/tree/main/api/envoy/service/auth/v3>

pub mod answer;
pub mod frame;
pub mod health;
pub mod question;
pub mod wire;
