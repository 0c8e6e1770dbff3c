//! Streams that are read once for each of some values.

use std::time::Duration;

use vantage_api_cluster::{Cluster, RunState, Worker};
use vantage_api_ingest::{
    Job,
    description::{Description, Reader},
};

use crate::{
    api::Api,
    database::{Database, soon},
};

const QUICK: Duration = Duration::from_millis(5);

/// The items, of which each combination of values has all.
fn described(api: &Api, database: &Database, kinds: &str) -> Description {
    let yaml = format!(
        "api:
  base_url: {}
tables:
  - name: items
    id: [kind, area, id]
    columns: {{ kind: text, area: int, id: int, name: text }}
    api: {{ paging: {{ by: page }}, envelope: {{ items: data, total: total }} }}
jobs:
  copy:
    sink: {{ postgres: \"{}\" }}
    streams:
      - table: items
        for_each: {{ values: {{ kind: {kinds}, area: [1, 2] }} }}
        write: merge
        commit: {{ rows: 100 }}
",
        api.base_url(),
        database.url
    );
    Reader::new().read_yaml(&yaml).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_partition_is_a_unit_of_its_own() {
    let (api, database) = (Api::start(450, QUICK), Database::new());
    let mut runs = Vec::new();
    for (kinds, units) in [("[a, b]", 4), ("[a, b, c]", 6)] {
        let all = described(&api, &database, kinds);
        let workers = [
            Worker::start(database.patient(), all.clone()).await.unwrap(),
            Worker::start(database.patient(), all.clone()).await.unwrap(),
        ];
        let cluster = Cluster::connect(&database.patient()).await.unwrap();
        let run = cluster.begin(&all, "copy").await.unwrap();
        assert_eq!(soon(cluster.ended(run)).await.unwrap(), Some(RunState::Complete));
        let overview = cluster.overview().await.unwrap();
        let stream = &overview.runs[0].streams[0];
        assert_eq!((stream.units, stream.done, stream.pages), (units, units, 5 * units));
        runs.push(run);
        for worker in workers {
            soon(worker.stop()).await;
        }
        let counted = "SELECT count(*) FROM (SELECT kind, area FROM items GROUP BY kind, area \
                       HAVING count(*) = 450 AND count(DISTINCT id) = 450) AS whole";
        assert_eq!(database.number(counted), units);
        let report = Job::new(&all, "copy").unwrap().last_run().await.unwrap().unwrap();
        assert!(report.is_complete(), "{report}");
        let counts = report.streams[0].counts;
        let whole = 450 * u64::try_from(units).unwrap();
        assert_eq!((counts.read, counts.declared), (whole, Some(whole)), "{report}");
    }
    assert_ne!(runs[0], runs[1]);
}
