//! A fake Lambda on loopback: starts a program and serves the Runtime API to it.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    fs::{self, File},
    path::PathBuf,
    process::Stdio,
    sync::{Arc, Mutex as Lock, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, bail};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::{
    net::TcpListener,
    process::{Child, Command},
    sync::{Mutex, mpsc},
    task::JoinHandle,
    time::timeout,
};
use xtask::clock;

use crate::proc;

/// The time limit for each step. It is long, because a program under valgrind is slow.
const TIMEOUT: Duration = Duration::from_mins(2);
/// The time from an invocation to its deadline: the maximum that Lambda allows.
const DEADLINE_MILLIS: i64 = 900_000;
/// The common prefix of all paths.
const RUNTIME: &str = "/2018-06-01/runtime/";

/// A program that uses the Runtime API.
#[derive(Clone, Debug)]
pub struct Program {
    /// The name of the variant in reports: the language.
    pub variant: String,
    /// The name of the function.
    pub function: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The working folder.
    pub folder: PathBuf,
    /// The whole environment, except for the address of the Runtime API.
    pub environment: BTreeMap<String, String>,
    /// The file or folder that would be deployed.
    pub package: PathBuf,
}

/// A running program. Dropping it kills it.
pub struct Process {
    child: Child,
    pid: Pid,
    started: Instant,
    events: mpsc::UnboundedSender<Invocation>,
    calls: mpsc::UnboundedReceiver<RuntimeCall>,
    invocations: u64,
    server: JoinHandle<()>,
    log: PathBuf,
}

/// The answer of a program to an event, and its times.
#[derive(Clone, Debug)]
pub struct TimedAnswer {
    /// The answer.
    pub answer: Value,
    /// The time from handing over the event to the answer.
    pub took: Duration,
    /// The time from the program's start to the answer.
    pub since_start: Duration,
}

struct Invocation {
    id: String,
    event: Bytes,
}

/// A call of the program to the Runtime API.
enum RuntimeCall {
    /// It asks for the next event.
    Next { at: Instant },
    /// It answers an event.
    Response { answer: Bytes, at: Instant, took: Duration },
    /// It reports that its start or an event failed.
    Error { path: String, error: Bytes },
}

struct Api {
    events: Mutex<mpsc::UnboundedReceiver<Invocation>>,
    calls: mpsc::UnboundedSender<RuntimeCall>,
    handed_over: Lock<Option<Instant>>,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Process {
    /// Starts the program, as an argument of the command `wrapper` unless that is empty.
    ///
    /// # Errors
    /// If it cannot be started.
    pub async fn start(program: &Program, wrapper: &[String], log: PathBuf) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no port is free")?;
        let address = listener.local_addr()?;
        let (events, events_of_api) = mpsc::unbounded_channel();
        let (calls_of_api, calls) = mpsc::unbounded_channel();
        let api = Api { events: Mutex::new(events_of_api), calls: calls_of_api, handed_over: Lock::default() };
        let server = tokio::spawn(serve(listener, Arc::new(api)));
        let output = File::create(&log).with_context(|| format!("{} cannot be written", log.display()))?;
        let mut words = wrapper.iter().chain(&program.command);
        let mut command = Command::new(words.next().context("there is no command")?);
        command
            .args(words)
            .current_dir(&program.folder)
            .env_clear()
            .envs(&program.environment)
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .kill_on_drop(true);
        let started = clock::now();
        let child = command.spawn().with_context(|| format!("{} cannot be started", program.command.join(" ")))?;
        let pid = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)).context("it has ended already")?;
        Ok(Self { child, pid, started, events, calls, invocations: 0, server, log })
    }

    /// Waits until the program asks for an event. Returns the time from its start.
    ///
    /// # Errors
    /// If it ends, or reports a failure.
    pub async fn ready(&mut self) -> Result<Duration> {
        match self.next_call().await? {
            RuntimeCall::Next { at } => Ok(at.duration_since(self.started)),
            RuntimeCall::Response { .. } | RuntimeCall::Error { .. } => {
                bail!("it answered without an event{}", self.log_tail())
            }
        }
    }

    /// Passes an event to the program, and waits until the program has answered it and asks for the next one.
    ///
    /// # Errors
    /// If it ends, reports a failure, or its answer is not JSON.
    pub async fn invoke(&mut self, event: &Value) -> Result<TimedAnswer> {
        self.invocations += 1;
        let id = format!("8476a536-e9f4-11e8-9739-{:012x}", self.invocations);
        let invocation = Invocation { id, event: serde_json::to_vec(event)?.into() };
        self.events.send(invocation).ok().context("the Runtime API has stopped")?;
        let RuntimeCall::Response { answer, at, took } = self.next_call().await? else {
            bail!("it asked for the next event without an answer{}", self.log_tail());
        };
        let answer = serde_json::from_slice(&answer).context("an answer is not JSON")?;
        self.ready().await?;
        Ok(TimedAnswer { answer, took, since_start: at.duration_since(self.started) })
    }

    async fn next_call(&mut self) -> Result<RuntimeCall> {
        let call = tokio::select! {
            call = timeout(TIMEOUT, self.calls.recv()) => call,
            ended = self.child.wait() => bail!("it ended with {}{}", ended?, self.log_tail()),
        };
        match call {
            Ok(Some(RuntimeCall::Error { path, error })) => {
                bail!("it failed at {path}: {}{}", String::from_utf8_lossy(&error), self.log_tail())
            }
            Ok(Some(call)) => Ok(call),
            Ok(None) => bail!("the Runtime API has stopped"),
            Err(_) => bail!("it made no call for {} s{}", TIMEOUT.as_secs(), self.log_tail()),
        }
    }

    /// The end of the log, for an error message.
    fn log_tail(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(20).collect();
        lines.iter().rev().fold(String::new(), |text, line| format!("{text}\n    | {line}"))
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Ends the program with a signal. Its wrapper survives the signal and writes its results.
    ///
    /// # Errors
    /// If it does not end.
    pub async fn end(mut self) -> Result<()> {
        let program = proc::child(self.pid).unwrap_or(self.pid);
        kill_process(program, Signal::TERM)?;
        timeout(TIMEOUT, self.child.wait()).await.context("it does not end")??;
        Ok(())
    }
}

async fn serve(listener: TcpListener, api: Arc<Api>) {
    while let Ok((stream, _)) = listener.accept().await {
        let api = Arc::clone(&api);
        tokio::spawn(async move {
            if stream.set_nodelay(true).is_err() {
                return;
            }
            let service = service_fn(|request| answer(&api, request));
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // The connection ends when the program ends.
            drop(connection.await);
        });
    }
}

async fn answer(api: &Api, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    if request.method() == Method::GET && path == format!("{RUNTIME}invocation/next") {
        return Ok(next(api).await);
    }
    let Ok(body) = request.into_body().collect().await else { return Ok(Response::new(Full::default())) };
    let (body, at) = (body.to_bytes(), clock::now());
    let call = if path.starts_with(RUNTIME) && path.ends_with("/response") {
        let handed_over = api.handed_over.lock().unwrap_or_else(PoisonError::into_inner).take();
        let took = handed_over.map_or(Duration::ZERO, |from| at.duration_since(from));
        RuntimeCall::Response { answer: body, at, took }
    } else {
        RuntimeCall::Error { path, error: body }
    };
    // The receiver is gone if the process was dropped.
    let status = if api.calls.send(call).is_ok() { StatusCode::ACCEPTED } else { StatusCode::GONE };
    let mut response = Response::new(Full::from(r#"{"status":"OK"}"#));
    *response.status_mut() = status;
    Ok(response)
}

async fn next(api: &Api) -> Response<Full<Bytes>> {
    let asked = api.calls.send(RuntimeCall::Next { at: clock::now() });
    let Some(Invocation { id, event }) = api.events.lock().await.recv().await.filter(|_| asked.is_ok()) else {
        let mut gone = Response::new(Full::default());
        *gone.status_mut() = StatusCode::GONE;
        return gone;
    };
    let response = Response::builder()
        .header("content-type", "application/json")
        .header("lambda-runtime-aws-request-id", id)
        .header("lambda-runtime-deadline-ms", now_millis() + DEADLINE_MILLIS)
        .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:portal")
        .header("lambda-runtime-trace-id", "Root=1-69f9dac0-5e1b3c2a4f6d8e9012345678;Parent=0b1c2d3e4f506172;Sampled=0")
        .body(Full::from(event));
    *api.handed_over.lock().unwrap_or_else(PoisonError::into_inner) = Some(clock::now());
    response.unwrap_or_default()
}

/// Milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "measured programs use the real clock")]
pub fn now_millis() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since_1970.as_millis().try_into().unwrap_or(i64::MAX)
}
