//! Routes, and what each answers.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde_json::json;

use super::answer::{self, Refusal};
use super::curves::{Choice, curves};
use super::guard::guard;
use super::server::Folders;
use super::{reports, view};
use augtrial_registry::{Registry, RunId};

const PAGE: &str = include_str!("../assets/dashboard/index.html");
const STYLE: &str = include_str!("../assets/dashboard/dashboard.css");
const SCRIPT: &str = include_str!("../assets/dashboard/dashboard.js");

type Shared = State<Arc<Folders>>;

/// Every route, behind the guard.
pub(super) fn router(folders: Folders) -> Router {
    Router::new()
        .route("/", get(async |headers: HeaderMap| asset(&headers, "text/html; charset=utf-8", PAGE)))
        .route(
            "/assets/dashboard.css",
            get(async |headers: HeaderMap| {
                answer::body(&headers, "text/css; charset=utf-8", format!("{}\n{STYLE}", augtrial_web::css()).into())
            }),
        )
        .route(
            "/assets/curves.js",
            get(async |headers: HeaderMap| asset(&headers, "text/javascript; charset=utf-8", augtrial_web::CURVES_JS)),
        )
        .route(
            "/assets/dashboard.js",
            get(async |headers: HeaderMap| asset(&headers, "text/javascript; charset=utf-8", SCRIPT)),
        )
        .route("/api/studies", get(studies))
        .route("/api/studies/{study}", get(study))
        .route("/api/studies/{study}/curves", get(study_curves))
        .route("/api/runs/{run}", get(run))
        .route("/reports/{study}/{*file}", get(report))
        .fallback(|| async { Refusal::NotFound("there is nothing here".to_owned()) })
        .layer(axum::middleware::from_fn(guard))
        .with_state(Arc::new(folders))
}

fn asset(headers: &HeaderMap, content_type: &'static str, text: &'static str) -> Response {
    answer::body(headers, content_type, text.into())
}

async fn studies(State(folders): Shared, headers: HeaderMap) -> Response {
    blocking(move || {
        let studies = match Registry::open_read_only(&folders.runs)? {
            Some(registry) => view::studies(&registry, &folders)?,
            None => Vec::new(),
        };
        Ok(answer::json(&headers, &json!({ "studies": studies })))
    })
    .await
}

async fn study(State(folders): Shared, Path(name): Path<String>, headers: HeaderMap) -> Response {
    blocking(move || Ok(answer::json(&headers, &view::study(&open(&folders)?, &name, &folders)?))).await
}

async fn study_curves(
    State(folders): Shared,
    Path(name): Path<String>,
    Query(choice): Query<Choice>,
    headers: HeaderMap,
) -> Response {
    blocking(move || {
        let registry = open(&folders)?;
        let study = view::study(&registry, &name, &folders)?;
        Ok(answer::json(&headers, &curves(&registry, &study, choice)?))
    })
    .await
}

async fn run(State(folders): Shared, Path(id): Path<String>, headers: HeaderMap) -> Response {
    blocking(move || {
        let run: RunId = id.parse().map_err(|error| Refusal::NotFound(format!("{error}")))?;
        Ok(answer::json(&headers, &view::run(&open(&folders)?, run, &folders)?))
    })
    .await
}

async fn report(State(folders): Shared, Path((study, file)): Path<(String, String)>, headers: HeaderMap) -> Response {
    blocking(move || {
        if !view::shows_report(&folders, &study)? {
            let advice =
                "it shows test results, and trials of the study have not ended; `augtrial serve --peek` shows it";
            return Err(Refusal::NotFound(format!("the report of `{study}` is not shown yet: {advice}")));
        }
        let (bytes, content_type, policy) = reports::read(&folders.reports, &study, &file)?;
        let mut response = answer::body(&headers, content_type, bytes);
        response.headers_mut().insert(reports::POLICY, policy);
        Ok(response)
    })
    .await
}

/// Opened for each request: the index may be rebuilt between two.
fn open(folders: &Folders) -> Result<Registry, Refusal> {
    Registry::open_read_only(&folders.runs)?.ok_or_else(|| Refusal::NotFound("there are no runs yet".to_owned()))
}

/// Reads from disk beside the one thread that answers.
async fn blocking(work: impl FnOnce() -> Result<Response, Refusal> + Send + 'static) -> Response {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(response)) => response,
        Ok(Err(refusal)) => refusal.into_response(),
        Err(error) => Refusal::Internal(error.to_string()).into_response(),
    }
}
