//! Lambda on loopback: starts a program and serves it the Runtime API.

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

/// Longest wait: a program under another one, such as valgrind, is slow, and one that hangs must not hang the benchmark.
const PATIENCE: Duration = Duration::from_mins(2);
/// The deadline that an invocation gets: the longest that Lambda allows.
const DEADLINE_MILLIS: i64 = 900_000;
/// The common prefix of all paths.
const RUNTIME: &str = "/2018-06-01/runtime/";

/// A program that uses the Runtime API.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its name in reports: the language.
    pub variant: String,
    /// The function's name.
    pub function: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Its working directory.
    pub folder: PathBuf,
    /// Its whole environment, except what only the Runtime API and AWS's stand-in know.
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

/// A program's answer to an event.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The answer.
    pub answer: Value,
    /// From handing over the event to its answer.
    pub took: Duration,
    /// From the program's start to the answer.
    pub since_start: Duration,
}

struct Invocation {
    id: String,
    event: Bytes,
}

/// A program's call to the Runtime API.
enum RuntimeCall {
    /// It asks for the next event.
    Asked { at: Instant },
    /// It answers one.
    Answered { answer: Bytes, at: Instant, took: Duration },
    /// It reports that it failed: at its start, or with an event.
    Failed { path: String, error: Bytes },
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
    /// Starts the program, under another one unless `holder` is empty.
    ///
    /// # Errors
    /// If it cannot be started.
    pub async fn start(program: &Program, holder: &[String], log: PathBuf) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no port is free")?;
        let address = listener.local_addr()?;
        let (events, to_be_taken) = mpsc::unbounded_channel();
        let (sender, calls) = mpsc::unbounded_channel();
        let api = Api { events: Mutex::new(to_be_taken), calls: sender, handed_over: Lock::default() };
        let server = tokio::spawn(serve(listener, Arc::new(api)));
        let output = File::create(&log).with_context(|| format!("{} cannot be written", log.display()))?;
        let mut words = holder.iter().chain(&program.command);
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

    /// Waits until it asks for an event. Returns the time since its start.
    ///
    /// # Errors
    /// If it ends, or reports a failure.
    pub async fn ready(&mut self) -> Result<Duration> {
        match self.next_told().await? {
            RuntimeCall::Asked { at } => Ok(at.duration_since(self.started)),
            RuntimeCall::Answered { .. } | RuntimeCall::Failed { .. } => {
                bail!("it answered what it was not asked{}", self.tail())
            }
        }
    }

    /// Hands an event over, and waits until it has been answered and the next one is asked for.
    ///
    /// # Errors
    /// If it ends, reports a failure, or its answer is not JSON.
    pub async fn invoke(&mut self, event: &Value) -> Result<Answered> {
        self.invocations += 1;
        let id = format!("8476a536-e9f4-11e8-9739-{:012x}", self.invocations);
        self.events
            .send(Invocation { id, event: serde_json::to_vec(event)?.into() })
            .ok()
            .context("the program no longer asks for events")?;
        let RuntimeCall::Answered { answer, at, took } = self.next_told().await? else {
            bail!("it asked for an event before it had answered one{}", self.tail());
        };
        let answer = serde_json::from_slice(&answer).context("an answer is no JSON")?;
        self.ready().await?;
        Ok(Answered { answer, took, since_start: at.duration_since(self.started) })
    }

    async fn next_told(&mut self) -> Result<RuntimeCall> {
        let call = tokio::select! {
            call = timeout(PATIENCE, self.calls.recv()) => call,
            ended = self.child.wait() => bail!("it ended with {}{}", ended?, self.tail()),
        };
        match call {
            Ok(Some(RuntimeCall::Failed { path, error })) => {
                bail!("it failed at {path}: {}{}", String::from_utf8_lossy(&error), self.tail())
            }
            Ok(Some(call)) => Ok(call),
            Ok(None) => bail!("the Runtime API is gone"),
            Err(_) => bail!("it has said nothing for {} s{}", PATIENCE.as_secs(), self.tail()),
        }
    }

    /// The end of its log, for an error's message.
    fn tail(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(20).collect();
        lines.iter().rev().fold(String::new(), |text, line| format!("{text}\n    | {line}"))
    }

    /// The process.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Ends it by a signal that its holder survives and treats as the end of its work.
    ///
    /// # Errors
    /// If it does not end.
    pub async fn end(mut self) -> Result<()> {
        let held = proc::child(self.pid).unwrap_or(self.pid);
        kill_process(held, Signal::TERM)?;
        timeout(PATIENCE, self.child.wait()).await.context("it does not end")??;
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
            // It ends when the program does.
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
    let told = if path.starts_with(RUNTIME) && path.ends_with("/response") {
        let handed_over = api.handed_over.lock().unwrap_or_else(PoisonError::into_inner).take();
        RuntimeCall::Answered {
            answer: body,
            at,
            took: handed_over.map_or(Duration::ZERO, |from| at.duration_since(from)),
        }
    } else {
        RuntimeCall::Failed { path, error: body }
    };
    // After a program is killed, its remaining output is not read.
    let status = if api.calls.send(call).is_ok() { StatusCode::ACCEPTED } else { StatusCode::GONE };
    let mut response = Response::new(Full::from(r#"{"status":"OK"}"#));
    *response.status_mut() = status;
    Ok(response)
}

async fn next(api: &Api) -> Response<Full<Bytes>> {
    let asked = api.told.send(Told::Asked { at: clock::now() });
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
#[expect(clippy::disallowed_methods, reason = "programs that are measured have the real clock")]
pub fn now_millis() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since_1970.as_millis().try_into().unwrap_or(i64::MAX)
}
