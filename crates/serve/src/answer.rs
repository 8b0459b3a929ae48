//! Answers: a body with its type and its `ETag`, nothing but 304 for one that the browser has, or what went wrong.

use axum::http::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;

use augtrial_base::digest::Digest;
use augtrial_base::words::chain;
use augtrial_registry::RegistryError;

/// What cannot be answered.
#[derive(Debug)]
pub(super) enum Refusal {
    NotFound(String),
    Internal(String),
}

impl From<RegistryError> for Refusal {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::UnknownRun { .. } | RegistryError::UnknownStudy { .. } | RegistryError::NoRuns => {
                Self::NotFound(error.to_string())
            }
            error => Self::Internal(chain(&error)),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, error) = match self {
            Self::NotFound(error) => (StatusCode::NOT_FOUND, error),
            Self::Internal(error) => (StatusCode::INTERNAL_SERVER_ERROR, error),
        };
        (status, axum::Json(json!({ "error": error }))).into_response()
    }
}

/// A body, or 304 if the request's `If-None-Match` names it.
pub(super) fn body(request: &HeaderMap, content_type: &'static str, bytes: Vec<u8>) -> Response {
    let etag = format!("\"{}\"", Digest::of_bytes(&bytes).short());
    let known = request.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let is_known = known.is_some_and(|tags| tags.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag));
    if is_known {
        return (StatusCode::NOT_MODIFIED, [(ETAG, etag)]).into_response();
    }
    ([(ETAG, etag), (CONTENT_TYPE, content_type.to_owned())], bytes).into_response()
}

/// The same for a value as JSON.
pub(super) fn json<T: Serialize>(request: &HeaderMap, value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => body(request, "application/json", bytes),
        Err(error) => Refusal::Internal(error.to_string()).into_response(),
    }
}
