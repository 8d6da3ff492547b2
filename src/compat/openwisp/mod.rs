//! Requests read as Django and Django REST framework read them, since openwisp-users' clients see the difference: types, charsets,
//! forms, fields and their error texts. The recorded answers in tests/vectors/api are replayed against it.
//!
//! Readers of our own, where libraries refuse what those records take: `multer` a form that does not end or holds nothing, `mime` a
//! range such as `application/json ;q=1`; `encoding_rs` has no Latin-1 and no UTF-16 without a mark, and `form_urlencoded` reads
//! forms in UTF-8 alone.

pub mod body;
mod charset;
mod checks;
pub mod fields;
mod form;
mod json;
mod media;
pub mod multipart;
pub mod negotiate;
pub mod object;
pub mod serializer;
pub mod value;

use fields::FieldErrors;
use thiserror::Error;

/// Why a request is not read.
#[derive(Debug, Error)]
pub enum RequestError {
    /// None of the representations that the client takes is ours.
    #[error("Could not satisfy the request Accept header.")]
    NotAcceptable,
    /// `?format=` asks for what is not there.
    #[error("Not found.")]
    NoFormat,
    #[error("Unsupported media type \"{0}\" in request.")]
    MediaType(String),
    /// A body that is not of its type.
    #[error("{0}")]
    Parse(String),
    /// A body or a query of more fields than anybody needs.
    #[error("There are too many fields.")]
    TooManyFields,
    #[error("fields are wrong")]
    Fields(FieldErrors),
    /// The body ended before it was whole.
    #[error("The service is not available, try again.")]
    BrokenOff,
}
