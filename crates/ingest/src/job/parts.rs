//! Runs the parts of a stream one by one.

use super::Job;
use crate::{
    error::Error,
    parts::{Claim, Division, Part, PartEnd, PartState},
    plan::Stream,
    report::StreamReport,
    run::{Begun, Warnings, Writer, now},
    sink::{self, Commit, SinkError},
    state::StreamState,
};

impl Job {
    /// The names of its streams, in the order of the description.
    pub fn streams(&self) -> impl Iterator<Item = &str> {
        self.streams.iter().map(|stream| stream.name.as_str())
    }

    /// Runs one stream in this process, again from its last commit after errors that may pass, and
    /// reports what came of it.
    ///
    /// `run` is the number of the run that this begins or goes on with, if the caller has kept it from
    /// [`next_run`](Self::next_run): a run that turns out to have ended is not followed by another one
    /// then, be its end that of another process. What its [progress](Self::progress) says was there
    /// before is nothing then.
    ///
    /// # Errors
    /// If there is no such stream.
    pub async fn run_alone(&self, stream: &str, run: Option<u64>) -> Result<StreamReport, Error> {
        Ok(self.run_stream(self.stream(stream)?, run).await)
    }

    /// The number of the run that [`run_alone`](Self::run_alone) begins or goes on with; that of the run
    /// that was begun `earlier`, if that has ended.
    ///
    /// # Errors
    /// If there is no such stream, or its sink cannot be reached.
    pub async fn next_run(&self, stream: &str, earlier: Option<u64>) -> Result<u64, Error> {
        let stream = self.stream(stream)?;
        let mut state = stream.state().await?;
        if stream.write().begins_anew {
            state.give_up_run();
        }
        Ok(Begun::of(&mut state, earlier.map(Begun::earlier), &now()).run)
    }

    /// Plans the parts of a stream, with about `pages` pages each where pages are counted, or with more if
    /// those would be more than 10,000 parts, and begins a run in parts; or goes on with one that has begun
    /// so, for which it plans the same again. Until it ends, no other run writes the stream.
    ///
    /// A stream is read as a whole unless it is a table that is appended or merged into PostgreSQL, with
    /// neither `sample`, nor hashes of repeated rows, lists in tables of their own or a bound on its rows, and
    /// unless it has more than one part. So is one whose last run was interrupted.
    ///
    /// One request is sent for the first page, where pages are counted, and those for the parents if
    /// there are any.
    ///
    /// # Errors
    /// If there is no such stream, its sink cannot be reached, or the API does not give what is needed
    /// to plan.
    pub async fn divide(&self, stream: &str, pages: u64) -> Result<Division, Error> {
        let stream = self.stream(stream)?;
        let before = stream.state().await?;
        let is_other = before.run > 0 && !before.is_finished && !before.is_in_parts;
        if is_other || !stream.may_divide() {
            return Ok(Division::Whole);
        }
        let mut state = before.clone();
        state.begin_run(&now());
        let (units, lack) = stream.units(&state).await?;
        let parts = match units.as_slice() {
            _ if lack.is_some() => Vec::new(),
            [unit] => stream.ranges(unit, pages.max(1), &state).await?,
            units => Part::of(units),
        };
        let run = state.run;
        if before.is_in_parts && !before.is_finished {
            // It has begun, so it is in parts, be it a single one by now.
            let parts = if parts.is_empty() { Part::of(&units) } else { parts };
            return Ok(Division::Parts { run, parts });
        }
        if parts.len() < 2 {
            return Ok(Division::Whole);
        }
        state.is_in_parts = true;
        state.divide_mark(units.iter().map(|unit| &*unit.partition));
        sink::on_thread(stream.sink(), move |sink| {
            if sink.open()? != before {
                return Err(SinkError::passing("the stream was run by another process meanwhile"));
            }
            sink.commit(&Commit::new(&state.schema, &[], &[], &state, false))
        })
        .await?;
        Ok(Division::Parts { run, parts })
    }

    /// Runs a part of run `run` of a stream from where its claim goes on. It may be run by several
    /// processes at a time: what is written is what the one writes whose claim holds.
    ///
    /// # Errors
    /// That of a page, of the sink, or of the claim that does not hold any more. What was read before is
    /// committed, unless it is the sink that failed. Errors that may pass are not tried again here.
    pub async fn run_part(
        &self,
        stream: &str,
        run: u64,
        part: &Part,
        claim: Claim,
    ) -> Result<PartEnd, Error> {
        let stream = self.stream(stream)?;
        let (sink, plan) = (stream.part(run, part, claim)?, stream.plan()?);
        let (mut rules, tell) = (stream.write().clone(), self.on_commit(stream));
        // The other parts go on.
        rules.keeps_failure = false;
        let (writer, state) = Writer::open(Box::new(sink), rules, None, tell).await?;
        let (units, warnings) = (part.units.clone(), Warnings::default());
        let units = async move { Ok((units, None)) };
        let control = self.control.subscribe();
        let ended = plan.run(writer, &state, units, control, &warnings).await?;
        let is_done = ended.state.is_finished;
        let mut remarks = warnings.take();
        remarks.extend(
            ended
                .discarded
                .iter()
                .map(|field| format!("left out, as the table has no column for it: {field}")),
        );
        let mut failures = ended.failures.into_iter().map(|(_, error)| error);
        match failures.next() {
            Some(error) if !is_done => Err(error),
            first => {
                // The units that may miss rows.
                remarks.extend(first.into_iter().chain(failures).map(|error| error.to_string()));
                Ok(PartEnd { is_done, remarks })
            }
        }
    }

    /// Ends run `run` of a stream, all of whose parts are done: `next` has what the claims of all of
    /// them have kept. With an `error`, the run has failed, and the next one asks for what is new from
    /// the same mark on. A run that has ended stays as it is.
    ///
    /// # Errors
    /// If there is no such stream, its sink cannot be reached, it was reset meanwhile, or a part is not
    /// done.
    pub async fn end_parts(
        &self,
        stream: &str,
        run: u64,
        next: &[String],
        error: Option<String>,
    ) -> Result<StreamState, Error> {
        let stream = self.stream(stream)?;
        let parsed = next.iter().map(|text| serde_json::from_str(text));
        let states: Vec<PartState> = parsed
            .collect::<Result<_, _>>()
            .map_err(|error| SinkError::lasting("the state of a part is not one").because(error))?;
        if states.iter().any(|state| !state.is_done) {
            return Err(Error::Units(format!("a part of stream `{}` is not done", stream.name)));
        }
        stream.end_parts(run, states, error).await
    }

    fn stream(&self, name: &str) -> Result<&Stream, Error> {
        let found = self.streams.iter().find(|stream| stream.name == name);
        found.ok_or_else(|| Error::Settings(format!("job `{}` has no stream `{name}`", self.name)))
    }
}
