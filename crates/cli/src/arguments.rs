//! What may be said on the command line.

#[cfg(any(feature = "distributed", feature = "gateway"))]
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Copies REST APIs into databases and files: complete, once, and resumable. Serves them over REST.
///
/// Exit codes: 0 if everything is complete, 1 if a stream failed, was stopped or does not add up, or
/// if what is printed cannot be written, reports of runs aside, 2 if the description or the command
/// line is wrong. APIPOOL_LOG=info shows what happens inside.
#[derive(Parser)]
#[command(name = "apipool", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Starts a demo API, copies it into SQLite twice, and shows what happened.
    Demo(Demo),
    /// Lists the descriptions of well-known APIs that can be named instead of a file, or prints one.
    Connectors(Connectors),
    /// Drafts a description of an API, from what it answers or from its OpenAPI specification.
    ///
    /// With a URL of rows it makes at most ten requests, reads two pages by its own draft, and prints
    /// the description on the standard output and what it has seen on the standard error. What it
    /// cannot find out it asks for, with exit code 2. With --openapi nothing is sent.
    Init(Box<Init>),
    /// Checks a description, and says in which line it is wrong. Sends nothing.
    Check(File),
    /// Shows the requests that reads and jobs begin with. Sends nothing.
    Preview(Preview),
    /// Reads a table of the API, and prints its rows.
    Read(Read),
    /// Runs jobs: all of them, or those that are named.
    Run(Run),
    /// Shows where each stream stands, and why its last run failed if it did.
    Status(Status),
    /// Forgets where a job, or one of its streams, stands: the next run begins anew.
    Reset(Reset),
    /// Works on the jobs of a description, beside other workers, of this machine or of several.
    ///
    /// What is to be done comes from `apipool run FILE --url URL`, and from the times of the jobs. It
    /// ends at a signal, and hands over what it was doing.
    #[cfg(feature = "cluster")]
    Worker(Worker),
    /// Pauses the run of a job, whoever works on it.
    #[cfg(feature = "cluster")]
    Pause(Hold),
    /// Lets the run of a job go on that was paused.
    #[cfg(feature = "cluster")]
    Resume(Hold),
    /// Lets no more than so many units of a job be worked on at a time, by all workers together.
    #[cfg(feature = "cluster")]
    Cap(Cap),
    /// Ends the run of a job, whoever works on it; the next one goes on there.
    #[cfg(feature = "cluster")]
    Cancel(Hold),
    /// Runs SQL over the tables of the API, and what jobs have written.
    ///
    /// Several statements are separated by `;`, and the first that fails is the last that is run.
    /// Without any they are read from the standard input; on a terminal there is a prompt, in which
    /// `\?` tells what else it takes. Tables of the API are known by their names, and what a job has
    /// written as JOB.STREAM.
    #[cfg(feature = "sql")]
    Sql(Sql),
    /// Reads pages of the tables of the API for `apipool sql --worker` on other machines.
    ///
    /// Connections are not encrypted. Whoever reaches the port can read the API with this machine's
    /// credentials, unless APIPOOL_SQL_TOKEN is set, here and there, to a text that both know.
    #[cfg(feature = "distributed")]
    SqlWorker(SqlWorker),
    /// Serves tables of the API, what jobs have written, and a key-value store over REST.
    #[cfg(feature = "gateway")]
    Serve(Serve),
}

/// A description, and the values of its variables.
#[derive(Args)]
pub(crate) struct File {
    /// The description of the API and its jobs, in YAML; or the name of a connector.
    pub(crate) file: PathBuf,
    /// The value of a variable in the description, before that of the environment.
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) variables: Vec<(String, String)>,
}

#[derive(Args)]
pub(crate) struct Status {
    /// The description of the API and its jobs, in YAML; or the name of a connector.
    #[cfg_attr(feature = "cluster", arg(required_unless_present = "url"))]
    #[cfg_attr(not(feature = "cluster"), arg(required = true))]
    pub(crate) file: Option<PathBuf>,
    /// The value of a variable in the description, before that of the environment.
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) variables: Vec<(String, String)>,
    /// Shows what the workers of this database do, instead: `postgres://USER:PASSWORD@HOST/DATABASE`, or
    /// `sqlite:FILE`; without a value that of the environment's APIPOOL_URL.
    #[cfg(feature = "cluster")]
    #[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = "")]
    #[arg(conflicts_with = "file")]
    pub(crate) url: Option<String>,
    /// Prints that as JSON.
    #[cfg(feature = "cluster")]
    #[arg(long, requires = "url")]
    pub(crate) json: bool,
}

/// The database of a cluster.
#[cfg(feature = "cluster")]
#[derive(Args)]
pub(crate) struct Url {
    /// The database that the workers share: `sqlite:FILE` on one machine, and
    /// `postgres://USER:PASSWORD@HOST/DATABASE` on any number of them; by default that of the environment's
    /// APIPOOL_URL, which other users of the machine do not see.
    #[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = "")]
    pub(crate) url: Option<String>,
}

#[cfg(feature = "cluster")]
#[derive(Args)]
pub(crate) struct Worker {
    #[command(flatten)]
    pub(crate) file: File,
    #[command(flatten)]
    pub(crate) url: Url,
    /// How many units it works on at a time.
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub(crate) slots: usize,
    /// How often it says that it is alive, in seconds. After two and a half times without a word, others
    /// take what it has.
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0)]
    pub(crate) heartbeat: f64,
}

#[cfg(feature = "cluster")]
#[derive(Args)]
pub(crate) struct Hold {
    /// The job.
    pub(crate) job: String,
    #[command(flatten)]
    pub(crate) url: Url,
}

#[cfg(feature = "cluster")]
#[derive(Args)]
pub(crate) struct Cap {
    /// The job.
    pub(crate) job: String,
    /// How many: streams, and parts of streams. Without it there is no cap any more.
    pub(crate) most: Option<u32>,
    #[command(flatten)]
    pub(crate) url: Url,
}

#[derive(Args)]
pub(crate) struct Connectors {
    /// The one that is printed.
    pub(crate) name: Option<String>,
}

#[derive(Args)]
pub(crate) struct Demo {
    /// Where the database is written; a temporary folder by default.
    #[arg(long)]
    pub(crate) db: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Init {
    /// A URL that answers with rows, such as `https://api.example.com/v1/orders`.
    #[arg(required_unless_present = "openapi")]
    pub(crate) url: Option<String>,
    /// Drafts the tables of this OpenAPI specification (2.0, 3.0 or 3.1, in JSON or YAML) instead.
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    pub(crate) openapi: Option<PathBuf>,
    /// The name of the table; that of the URL's last segment by default.
    #[arg(long, value_name = "NAME", conflicts_with = "openapi")]
    pub(crate) table: Option<String>,
    /// Where the rows are in an answer: `result.rows`, or `.` if it is the list.
    #[arg(long, value_name = "PATH", conflicts_with = "openapi")]
    pub(crate) items: Option<String>,
    /// How the API pages, as `paging` of a description: '{ by: cursor, param: after, next: paging.next }'.
    #[arg(long, value_name = "YAML", conflicts_with = "openapi")]
    pub(crate) paging: Option<String>,
    /// How rows are asked for: by a GET, or by a POST as searches do.
    #[arg(long, value_name = "METHOD", value_parser = ["GET", "POST"], conflicts_with = "openapi")]
    pub(crate) method: Option<String>,
    /// The JSON body of the POST, such as '{"query": "x", "limit": 10}'. It is written into the draft, and
    /// is no place for secrets.
    #[arg(long, value_name = "JSON", conflicts_with = "openapi")]
    pub(crate) body: Option<String>,
    #[command(flatten)]
    pub(crate) auth: AuthArgs,
    /// A header that is sent with each request, and is not a secret: `Notion-Version=2022-06-28`.
    #[arg(long = "header", value_name = "NAME=VALUE")]
    pub(crate) headers: Vec<String>,
    /// Writes the description into this file, which must not be there yet.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// How requests are authenticated: by names of variables of the environment, so that no secret is on a
/// command line.
#[derive(Args)]
#[group(multiple = false)]
pub(crate) struct AuthArgs {
    /// The variable with a bearer token.
    #[arg(long = "bearer-env", value_name = "VARIABLE")]
    pub(crate) bearer: Option<String>,
    /// The variables with a name and a password.
    #[arg(long = "basic-env", value_name = "VARIABLE:VARIABLE")]
    pub(crate) basic: Option<String>,
    /// A header and the variable with its value, which may stand behind a word:
    /// `X-Api-Key=KEY`, or `Authorization=Token KEY`.
    #[arg(long = "header-env", value_name = "NAME=VARIABLE")]
    pub(crate) header: Option<String>,
    /// A parameter of the query and the variable with its value.
    #[arg(long = "query-env", value_name = "NAME=VARIABLE")]
    pub(crate) query: Option<String>,
    /// A cookie and the variable with its value.
    #[arg(long = "cookie-env", value_name = "NAME=VARIABLE")]
    pub(crate) cookie: Option<String>,
}

#[derive(Args)]
pub(crate) struct Preview {
    #[command(flatten)]
    pub(crate) file: File,
    /// The table; all of them by default.
    pub(crate) table: Option<String>,
}

#[derive(Args)]
pub(crate) struct Read {
    #[command(flatten)]
    pub(crate) file: File,
    /// The table.
    pub(crate) table: String,
    /// Rows whose column has this value.
    #[arg(long = "where", value_name = "COLUMN=VALUE", value_parser = pair)]
    pub(crate) conditions: Vec<(String, String)>,
    /// The column to order by; with a minus in front, from the greatest to the least.
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) order: Option<String>,
    /// The most rows to print.
    #[arg(long)]
    pub(crate) limit: Option<usize>,
    /// How rows are printed.
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Table,
    Json,
    Ndjson,
    Csv,
}

#[derive(Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) file: File,
    /// The jobs; all of them by default.
    pub(crate) jobs: Vec<String>,
    /// Forgets where the streams stand first, so that everything is read again. Rows of `write: append`
    /// stay beside those that are read again.
    #[arg(long)]
    pub(crate) full_refresh: bool,
    /// Runs jobs with `every` or `cron` once as well, and ends.
    #[arg(long)]
    pub(crate) once: bool,
    /// Prints the report as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Writes a report with drawn curves into this file.
    #[arg(long, value_name = "FILE.html")]
    pub(crate) report: Option<PathBuf>,
    /// Has the workers of this database run the jobs once, `postgres://USER:PASSWORD@HOST/DATABASE` or
    /// `sqlite:FILE`, and waits for their ends; without a value, as the last argument, that of the
    /// environment's APIPOOL_URL.
    #[cfg(feature = "cluster")]
    #[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = "")]
    #[arg(conflicts_with_all = ["full_refresh", "report"])]
    pub(crate) url: Option<String>,
}

#[derive(Args)]
pub(crate) struct Reset {
    #[command(flatten)]
    pub(crate) file: File,
    /// The job.
    pub(crate) job: String,
    /// The stream; all of the job by default.
    pub(crate) stream: Option<String>,
    /// Deletes the tables in the sink as well.
    #[arg(long)]
    pub(crate) drop: bool,
}

#[cfg(feature = "sql")]
#[derive(Args)]
pub(crate) struct Sql {
    #[command(flatten)]
    pub(crate) file: File,
    /// The statements.
    #[arg(conflicts_with = "query_file")]
    pub(crate) query: Option<String>,
    /// A file with the statements.
    #[arg(long = "file", value_name = "FILE.sql")]
    pub(crate) query_file: Option<PathBuf>,
    /// How rows are printed.
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: Format,
    /// Tells how long each statement took.
    #[arg(long)]
    pub(crate) timing: bool,
    /// The most rows that a query gives.
    #[arg(long, value_name = "N")]
    pub(crate) max_rows: Option<usize>,
    /// A worker that reads a part of the pages; at least two.
    #[cfg(feature = "distributed")]
    #[arg(long = "worker", value_name = "URL")]
    pub(crate) workers: Vec<String>,
}

#[cfg(feature = "distributed")]
#[derive(Args)]
pub(crate) struct SqlWorker {
    #[command(flatten)]
    pub(crate) file: File,
    /// The IP address and the port to listen on.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7001")]
    pub(crate) bind: SocketAddr,
}

#[cfg(feature = "gateway")]
#[derive(Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) file: File,
    /// The IP address and the port to listen on, instead of those in the description.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) bind: Option<SocketAddr>,
    /// Shows on the status page what the workers of this database do as well,
    /// `postgres://USER:PASSWORD@HOST/DATABASE` or `sqlite:FILE`; without a value, as the last argument, that
    /// of the environment's APIPOOL_URL. It is only read, unless there is `--work`.
    #[cfg(feature = "cluster")]
    #[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = "")]
    pub(crate) url: Option<String>,
    /// Works on the jobs of the description as well, as `apipool worker FILE --url URL` beside it would: those
    /// with `every` or `cron` run at their times, and others when `apipool run FILE --url URL` says so.
    #[cfg(feature = "cluster")]
    #[arg(long, requires = "url")]
    pub(crate) work: bool,
    /// Prints where it listens, and what it serves, as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it has no `=`")?;
    Ok((name.to_owned(), value.to_owned()))
}
