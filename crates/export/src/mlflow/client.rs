//! The calls of MLflow's REST API 2.0 that an export needs (<https://mlflow.org/docs/latest/api_reference/rest-api.html>).

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use ureq::http::{Response, Uri};
use ureq::{Agent, Body};

use super::payload::Pair;
use crate::ExportError;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Of a whole call; a server on a slow disk may take a while over a thousand values.
const CALL_TIMEOUT: Duration = Duration::from_mins(2);
/// Longest answer that is read: a page of runs with all their tags stays far below.
const ANSWER_MAX_BYTES: u64 = 256 << 20;
/// Longest text of an unexpected answer that is shown, characters.
const SHOWN_MAX: usize = 300;
/// Runs asked for at a time.
const PAGE: u32 = 500;

/// A server that speaks MLflow's API.
pub(super) struct Client {
    agent: Agent,
    uri: String,
}

/// A run as the server has it.
#[derive(Debug, Deserialize)]
pub(super) struct ServerRun {
    pub info: RunInfo,
    #[serde(default)]
    pub data: RunData,
}

#[derive(Debug, Deserialize)]
pub(super) struct RunInfo {
    pub run_id: String,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct RunData {
    #[serde(default)]
    pub params: Vec<Pair>,
    #[serde(default)]
    pub tags: Vec<Pair>,
}

/// A value of a metric as the server has it.
#[derive(Debug, Deserialize)]
pub(super) struct Logged {
    #[serde(default)]
    pub step: i64,
    pub value: f64,
}

#[derive(Deserialize)]
struct Refusal {
    error_code: String,
    #[serde(default)]
    message: String,
}

impl Client {
    /// Looks at the address; nothing is sent yet.
    pub fn new(uri: &str) -> Result<Self, ExportError> {
        let uri = uri.trim().trim_end_matches('/');
        let wrong = || ExportError::Uri { uri: uri.to_owned() };
        let parsed: Uri = uri.parse().map_err(|_| wrong())?;
        let (Some(scheme), Some(host)) = (parsed.scheme_str(), parsed.host()) else { return Err(wrong()) };
        match scheme {
            "http" => {}
            "https" => return Err(ExportError::Tls { uri: uri.to_owned() }),
            _ => return Err(wrong()),
        }
        let mut config = Agent::config_builder()
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(CALL_TIMEOUT))
            .user_agent(concat!("augtrial/", env!("CARGO_PKG_VERSION")))
            .http_status_as_error(false);
        if host == "localhost" || host.starts_with("127.") || host == "[::1]" {
            // A proxy has another loopback.
            config = config.proxy(None);
        }
        Ok(Self { agent: config.build().into(), uri: uri.to_owned() })
    }

    /// The id of the experiment, made if there is none of this name.
    pub fn experiment(&self, name: &str, note: &str) -> Result<String, ExportError> {
        #[derive(Deserialize)]
        struct Found {
            experiment: Experiment,
        }
        #[derive(Deserialize)]
        struct Experiment {
            experiment_id: String,
            #[serde(default)]
            lifecycle_stage: String,
        }
        match self.get::<Found>("experiments/get-by-name", &[("experiment_name", name)]) {
            Ok(found) if found.experiment.lifecycle_stage == "deleted" => {
                Err(ExportError::DeletedExperiment { uri: self.uri.clone(), name: name.to_owned() })
            }
            Ok(found) => Ok(found.experiment.experiment_id),
            Err(ExportError::Refused { code, .. }) if code == "RESOURCE_DOES_NOT_EXIST" => {
                let tags = json!([{ "key": "mlflow.note.content", "value": note }]);
                let made: Value = self.post("experiments/create", &json!({ "name": name, "tags": tags }))?;
                made["experiment_id"].as_str().map(str::to_owned).ok_or_else(|| self.strange("experiments/create", 200))
            }
            Err(error) => Err(error),
        }
    }

    /// The runs of an experiment that this program exported.
    pub fn runs(&self, experiment: &str, filter: &str) -> Result<Vec<ServerRun>, ExportError> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            runs: Vec<ServerRun>,
            #[serde(default)]
            next_page_token: String,
        }
        let mut body = json!({ "experiment_ids": [experiment], "filter": filter, "max_results": PAGE });
        let mut runs = Vec::new();
        loop {
            let page: Page = self.post("runs/search", &body)?;
            runs.extend(page.runs);
            if page.next_page_token.is_empty() {
                return Ok(runs);
            }
            body["page_token"] = page.next_page_token.into();
        }
    }

    pub fn create_run(
        &self,
        experiment: &str,
        name: &str,
        start_ms: i64,
        tags: &[Pair],
    ) -> Result<String, ExportError> {
        #[derive(Deserialize)]
        struct Made {
            run: ServerRun,
        }
        let body = json!({ "experiment_id": experiment, "run_name": name, "start_time": start_ms, "tags": tags });
        self.post::<Made>("runs/create", &body).map(|made| made.run.info.run_id)
    }

    /// Every value of a metric of a run.
    pub fn history(&self, run: &str, metric: &str) -> Result<Vec<Logged>, ExportError> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            metrics: Vec<Logged>,
            #[serde(default)]
            next_page_token: String,
        }
        let (mut logged, mut token) = (Vec::new(), String::new());
        loop {
            let mut query = vec![("run_id", run), ("metric_key", metric)];
            if !token.is_empty() {
                query.push(("page_token", &token));
            }
            let page: Page = self.get("metrics/get-history", &query)?;
            logged.extend(page.metrics);
            if page.next_page_token.is_empty() {
                return Ok(logged);
            }
            token = page.next_page_token;
        }
    }

    pub fn log_batch(&self, run: &str, kind: &str, values: &impl Serialize) -> Result<(), ExportError> {
        self.post::<Value>("runs/log-batch", &json!({ "run_id": run, kind: values })).map(drop)
    }

    pub fn update_run(&self, run: &str, status: &str, end_ms: Option<i64>) -> Result<(), ExportError> {
        let mut body = json!({ "run_id": run, "status": status });
        if let Some(end_ms) = end_ms {
            body["end_time"] = end_ms.into();
        }
        self.post::<Value>("runs/update", &body).map(drop)
    }

    pub fn set_tag(&self, run: &str, tag: &Pair) -> Result<(), ExportError> {
        self.post::<Value>("runs/set-tag", &json!({ "run_id": run, "key": tag.key, "value": tag.value })).map(drop)
    }

    fn post<T: DeserializeOwned>(&self, call: &'static str, body: &Value) -> Result<T, ExportError> {
        self.answer(call, self.agent.post(self.address(call)).send_json(body))
    }

    fn get<T: DeserializeOwned>(&self, call: &'static str, query: &[(&str, &str)]) -> Result<T, ExportError> {
        self.answer(call, self.agent.get(self.address(call)).query_pairs(query.iter().copied()).call())
    }

    fn address(&self, call: &str) -> String {
        format!("{}/api/2.0/mlflow/{call}", self.uri)
    }

    fn answer<T: DeserializeOwned>(
        &self,
        call: &'static str,
        answer: Result<Response<Body>, ureq::Error>,
    ) -> Result<T, ExportError> {
        let broken_off = |source| ExportError::BrokenOff { uri: self.uri.clone(), call, source: Box::new(source) };
        let mut answer = answer.map_err(|source| match source {
            ureq::Error::ConnectionFailed
            | ureq::Error::HostNotFound
            | ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => self.no_server(source),
            ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                self.no_server(error.into())
            }
            source => broken_off(source),
        })?;
        let status = answer.status();
        let text = answer.body_mut().with_config().limit(ANSWER_MAX_BYTES).read_to_string().map_err(broken_off)?;
        if status.is_success() {
            return serde_json::from_str(&text).map_err(|_| self.strange(call, status.as_u16()));
        }
        if let Ok(Refusal { error_code: code, message }) = serde_json::from_str(&text) {
            return Err(ExportError::Refused { uri: self.uri.clone(), call, code, message });
        }
        // Whatever stands before the server, such as a check of passwords, answers in plain text.
        if status.as_u16() != 404 && !text.trim_start().starts_with('<') && !text.trim().is_empty() {
            let message = text.trim().chars().take(SHOWN_MAX).collect();
            return Err(ExportError::Refused { uri: self.uri.clone(), call, code: status.to_string(), message });
        }
        Err(self.strange(call, status.as_u16()))
    }

    fn no_server(&self, source: ureq::Error) -> ExportError {
        ExportError::NoServer { uri: self.uri.clone(), source: Box::new(source) }
    }

    fn strange(&self, call: &'static str, status: u16) -> ExportError {
        ExportError::NotMlflow { uri: self.uri.clone(), call, status }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_lead_to_no_server_are_refused_before_anything_is_sent() {
        assert!(matches!(Client::new("https://mlflow.example"), Err(ExportError::Tls { .. })));
        for uri in ["", "mlflow.example", "127.0.0.1:5000", "sqlite:///mlflow.db", "file:./mlruns", "http://", "/a b"] {
            assert!(matches!(Client::new(uri), Err(ExportError::Uri { .. })), "{uri}");
        }
        let client = Client::new(" http://127.0.0.1:5000/prefix/ ").unwrap();
        assert_eq!(client.address("runs/create"), "http://127.0.0.1:5000/prefix/api/2.0/mlflow/runs/create");
    }
}
