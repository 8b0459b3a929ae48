//! A server with MLflow's calls, limits and errors, in memory, as MLflow 3.17.2 answers them. For tests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::sync::{METRICS_PER_CALL, PAIRS_PER_CALL};

/// Runs in a page, so few that tests see several.
const PAGE: usize = 2;

/// A run: key, step, value and time of each logged value in the order of arrival, values logged twice included.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct FakeRun {
    pub name: String,
    pub status: String,
    pub start_ms: i64,
    pub end_ms: Option<i64>,
    pub params: BTreeMap<String, String>,
    pub tags: BTreeMap<String, String>,
    pub metrics: Vec<(String, i64, f64, i64)>,
}

#[derive(Debug, Default)]
struct Memory {
    /// Name and whether it is deleted; the position is the id.
    experiments: Vec<(String, bool)>,
    runs: Vec<FakeRun>,
    writes: usize,
    fail_at: Option<usize>,
}

type Shared = Arc<Mutex<Memory>>;

/// Runs until it is dropped.
pub(super) struct FakeServer {
    memory: Shared,
    uri: String,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl FakeServer {
    pub fn start() -> Self {
        let memory = Shared::default();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let uri = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let route = axum::routing::any(answer).with_state(Arc::clone(&memory));
        let router = Router::new().route("/api/2.0/mlflow/{noun}/{verb}", route);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let until = async { drop(stopped.await) };
                axum::serve(listener, router).with_graceful_shutdown(until).await.unwrap();
            });
            // Connections that a client keeps open are not waited for.
            runtime.shutdown_background();
        });
        Self { memory, uri, stop: Some(stop), thread: Some(thread) }
    }

    pub fn uri(&self) -> String {
        self.uri.clone()
    }

    pub fn runs(&self) -> Vec<FakeRun> {
        self.memory().runs.clone()
    }

    /// Calls that change something, so far.
    pub fn writes(&self) -> usize {
        self.memory().writes
    }

    /// Makes the write with this number, and no other, fail.
    pub fn fail_at_write(&self, write: usize) {
        self.memory().fail_at = Some(write);
    }

    pub fn delete_experiment(&self, name: &str) {
        self.memory().experiments.push((name.to_owned(), true));
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap()
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

/// An error code and its message.
type Refusal = (&'static str, String);

async fn answer(
    State(memory): State<Shared>,
    Path((noun, verb)): Path<(String, String)>,
    Query(query): Query<BTreeMap<String, String>>,
    body: String,
) -> Response {
    let body: Value = serde_json::from_str(&body).unwrap_or(Value::Null);
    let mut memory = memory.lock().unwrap();
    let answer = match format!("{noun}/{verb}").as_str() {
        "experiments/get-by-name" => memory.experiment(&query["experiment_name"]),
        "runs/search" => Ok(memory.search(&body)),
        "metrics/get-history" => memory.history(&query["run_id"], &query["metric_key"]),
        call => memory.write(call, &body),
    };
    match answer {
        Ok(value) => axum::Json(value).into_response(),
        Err((code, message)) => {
            let status = match code {
                "RESOURCE_DOES_NOT_EXIST" => StatusCode::NOT_FOUND,
                "INTERNAL_ERROR" => StatusCode::INTERNAL_SERVER_ERROR,
                _ => StatusCode::BAD_REQUEST,
            };
            (status, axum::Json(json!({ "error_code": code, "message": message }))).into_response()
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

impl Memory {
    fn experiment(&self, name: &str) -> Result<Value, Refusal> {
        let found = self.experiments.iter().position(|(known, _)| known == name);
        let missing = || ("RESOURCE_DOES_NOT_EXIST", format!("Could not find experiment with name '{name}'"));
        let id = found.ok_or_else(missing)?;
        let stage = if self.experiments[id].1 { "deleted" } else { "active" };
        Ok(json!({ "experiment": { "experiment_id": id.to_string(), "lifecycle_stage": stage } }))
    }

    fn search(&self, body: &Value) -> Value {
        let from: usize = body["page_token"].as_str().map_or(0, |token| token.parse().unwrap());
        let shown = |(id, run): (usize, &FakeRun)| {
            let pairs = |pairs: &BTreeMap<String, String>| -> Vec<Value> {
                pairs.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect()
            };
            json!({
                "info": { "run_id": id.to_string() },
                "data": { "params": pairs(&run.params), "tags": pairs(&run.tags) },
            })
        };
        let page: Vec<_> = self.runs.iter().enumerate().skip(from).take(PAGE).map(shown).collect();
        // As MLflow does, an empty list is left out.
        let mut answer = if page.is_empty() { json!({}) } else { json!({ "runs": page }) };
        if from + PAGE < self.runs.len() {
            answer["next_page_token"] = (from + PAGE).to_string().into();
        }
        answer
    }

    fn history(&mut self, run: &str, key: &str) -> Result<Value, Refusal> {
        let run = self.run(&run.into())?;
        let of_key = run.metrics.iter().filter(|metric| metric.0 == key);
        let shown =
            of_key.map(|(key, step, value, at)| json!({ "key": key, "step": step, "value": value, "timestamp": at }));
        let shown: Vec<_> = shown.collect();
        Ok(if shown.is_empty() { json!({}) } else { json!({ "metrics": shown }) })
    }

    fn run(&mut self, id: &Value) -> Result<&mut FakeRun, Refusal> {
        let position = id.as_str().and_then(|id| id.parse::<usize>().ok());
        let missing = ("RESOURCE_DOES_NOT_EXIST", format!("Run {id} not found"));
        position.and_then(|position| self.runs.get_mut(position)).ok_or(missing)
    }

    fn write(&mut self, call: &str, body: &Value) -> Result<Value, Refusal> {
        let number = self.writes;
        self.writes += 1;
        if self.fail_at == Some(number) {
            return Err(("INTERNAL_ERROR", "on purpose".to_owned()));
        }
        match call {
            "experiments/create" => {
                self.experiments.push((text(&body["name"]), false));
                Ok(json!({ "experiment_id": (self.experiments.len() - 1).to_string() }))
            }
            "runs/create" => {
                let mut run = FakeRun { name: text(&body["run_name"]), status: "RUNNING".into(), ..FakeRun::default() };
                run.start_ms = body["start_time"].as_i64().unwrap();
                run.tags.extend(items(&body["tags"]).iter().map(|tag| (text(&tag["key"]), text(&tag["value"]))));
                self.runs.push(run);
                Ok(json!({ "run": { "info": { "run_id": (self.runs.len() - 1).to_string() }, "data": {} } }))
            }
            "runs/log-batch" => self.run(&body["run_id"])?.log_batch(body),
            "runs/set-tag" => {
                self.run(&body["run_id"])?.tags.insert(text(&body["key"]), text(&body["value"]));
                Ok(json!({}))
            }
            "runs/update" => {
                let run = self.run(&body["run_id"])?;
                run.status = text(&body["status"]);
                run.end_ms = body["end_time"].as_i64().or(run.end_ms);
                Ok(json!({}))
            }
            call => Err(("ENDPOINT_NOT_FOUND", call.to_owned())),
        }
    }
}

impl FakeRun {
    fn log_batch(&mut self, body: &Value) -> Result<Value, Refusal> {
        let (metrics, params, tags) = (items(&body["metrics"]), items(&body["params"]), items(&body["tags"]));
        let refuse = |message: String| Err(("INVALID_PARAMETER_VALUE", message));
        if metrics.len() > METRICS_PER_CALL || params.len() > PAIRS_PER_CALL || tags.len() > PAIRS_PER_CALL {
            return refuse("A batch logging request can contain at most ...".to_owned());
        }
        for param in params {
            let (key, value) = (text(&param["key"]), text(&param["value"]));
            if value.chars().count() > 500 || key.chars().count() > 250 {
                return refuse(format!("Param value exceeded length: {key}"));
            }
            if self.params.get(&key).is_some_and(|old| *old != value) {
                return refuse(format!("Changing param values is not allowed: {key}"));
            }
            self.params.insert(key, value);
        }
        self.tags.extend(tags.iter().map(|tag| (text(&tag["key"]), text(&tag["value"]))));
        for metric in metrics {
            let whole = |name: &str| metric[name].as_i64().unwrap();
            self.metrics.push((
                text(&metric["key"]),
                whole("step"),
                metric["value"].as_f64().unwrap(),
                whole("timestamp"),
            ));
        }
        Ok(json!({}))
    }
}
