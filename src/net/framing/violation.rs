//! What can be wrong with a message's framing: one variant for each rule, its class for the answer, and a text for people.

use crate::request_target::{TargetError, host::HostError};
use std::fmt;

/// The rule that was broken. The texts repeat nothing of what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Violation {
    /// A line ends with a line feed alone.
    BareLineFeed,
    /// More than one empty line before a request.
    EmptyLines,
    /// The request line is not `METHOD TARGET HTTP/x.y`.
    RequestLine,
    /// The method is not a token, or is longer than any method.
    Method,
    /// CONNECT: there are no tunnels.
    Connect,
    /// CONNECT over HTTP/2, where refusing one stream is enough.
    Tunnel,
    /// A `:scheme` other than `http` and `https`.
    Scheme,
    OptionsAsterisk,
    /// A target in absolute form of another scheme than `http` and `https`.
    AbsoluteForm,
    /// A target that is not in origin form, or has bytes that no target has.
    Target(TargetError),
    Http2Preface,
    /// Another version than HTTP/1.1 and HTTP/1.0.
    Version,
    /// The head is larger than the limit.
    HeadTooLarge,
    /// There are more header fields than the limit.
    TooManyFields,
    FoldedField,
    /// A field line without a colon.
    NoColon,
    BlankBeforeColon,
    /// A field name that is empty or not a token.
    FieldName,
    /// A control character or a bare carriage return in a field value.
    FieldValue,
    /// A name that other software reads as `Content-Length`, `Transfer-Encoding` or `Host`, in another spelling.
    DisguisedField,
    HostMissing,
    HostRepeated,
    /// A `Host` that differs from `:authority`, or from the authority of a target in absolute form.
    HostDiffers,
    /// A `Host` that names no host.
    Host(HostError),
    /// A `Content-Length` that is not one decimal number.
    Length,
    LengthRepeated,
    LengthAndCoding,
    /// A `Transfer-Encoding` other than `chunked`.
    Coding,
    CodingRepeated,
    CodingInHttp10,
    /// A chunk size that is not 1 to 16 hexadecimal digits.
    ChunkSize,
    /// A chunk extension out of the grammar.
    ChunkExtension,
    /// A chunk-size line, or all extensions of a body, over the limit.
    ChunkExtensionTooLarge,
    /// Something else than CRLF behind a chunk's data.
    ChunkEnd,
    TrailersTooLarge,
    /// A trailer that frames or routes the message.
    ForbiddenTrailer,
}

/// What the answer to a violation looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// 400 `bad_target`.
    BadTarget,
    /// 400 `bad_framing`.
    BadFraming,
    /// 431 `bad_framing`.
    TooLarge,
    /// 505 `bad_framing`.
    BadVersion,
    /// 405 `method_not_allowed`.
    BadMethod,
}

impl Class {
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::BadTarget | Self::BadFraming => 400,
            Self::TooLarge => 431,
            Self::BadVersion => 505,
            Self::BadMethod => 405,
        }
    }

    /// The reason code of the public interface.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::BadTarget => "bad_target",
            Self::BadFraming | Self::TooLarge | Self::BadVersion => "bad_framing",
            Self::BadMethod => "method_not_allowed",
        }
    }
}

impl Violation {
    /// What the answer looks like.
    #[must_use]
    pub const fn class(self) -> Class {
        match self {
            Self::Connect
            | Self::OptionsAsterisk
            | Self::AbsoluteForm
            | Self::Scheme
            | Self::Target(_)
            | Self::HostDiffers
            | Self::Host(_) => Class::BadTarget,
            Self::Tunnel => Class::BadMethod,
            Self::Http2Preface | Self::Version => Class::BadVersion,
            Self::HeadTooLarge | Self::TooManyFields | Self::TrailersTooLarge => Class::TooLarge,
            _ => Class::BadFraming,
        }
    }

    /// The text of the refusal, for an answer or a log.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::BareLineFeed => "a line ends with a line feed alone",
            Self::EmptyLines => "more than one empty line stands before the request",
            Self::RequestLine => "the request line is malformed",
            Self::Method => "the method is not a token",
            Self::Connect | Self::Tunnel => "CONNECT is not served",
            Self::Scheme => "the scheme is neither http nor https",
            Self::OptionsAsterisk => "OPTIONS * is not served",
            Self::AbsoluteForm => "the target is a URL of another scheme",
            Self::Target(error) => error.reason(),
            Self::Http2Preface => "HTTP/2 is not spoken on this connection",
            Self::Version => "the version is neither HTTP/1.1 nor HTTP/1.0",
            Self::HeadTooLarge => "the request head is too large",
            Self::TooManyFields => "there are too many header fields",
            Self::FoldedField => "a header field is continued on a second line",
            Self::NoColon => "a header line has no colon",
            Self::BlankBeforeColon => "a blank stands before a header's colon",
            Self::FieldName => "a header name is not a token",
            Self::FieldValue => "a header value has a control character",
            Self::DisguisedField => "a header name disguises a framing header",
            Self::HostMissing => "the Host header is missing",
            Self::HostDiffers => "the Host header differs from the authority of the target",
            Self::HostRepeated => "the Host header is repeated",
            Self::Host(error) => error.reason(),
            Self::Length => "the Content-Length is not one number",
            Self::LengthRepeated => "the Content-Length is repeated",
            Self::LengthAndCoding => "Content-Length stands beside Transfer-Encoding",
            Self::Coding => "the Transfer-Encoding is not chunked",
            Self::CodingRepeated => "the Transfer-Encoding is repeated",
            Self::CodingInHttp10 => "Transfer-Encoding stands in an HTTP/1.0 request",
            Self::ChunkSize => "a chunk size is malformed",
            Self::ChunkExtension => "a chunk extension is malformed",
            Self::ChunkExtensionTooLarge => "the chunk extensions are too long",
            Self::ChunkEnd => "a chunk does not end where its size says",
            Self::TrailersTooLarge => "the trailers are too large",
            Self::ForbiddenTrailer => "a trailer names a field that frames or routes the message",
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl std::error::Error for Violation {}
