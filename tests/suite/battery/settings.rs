//! Settings: what a way is written as is read as the same, and a read by the one goes on by the other.

use vantage_api_pool::{Envelope, PaginatedStream, Paging};

use super::{
    CAP, COUNT, ids, of_each, read, take,
    ways::{pool, rows, ways},
};

#[tokio::test]
async fn what_is_written_of_a_way_is_read_as_the_same() {
    // A strategy of one's own has no form as data.
    of_each(ways().into_iter().filter(|way| !way.name.contains("own")), async |way| {
        let (paging, envelope) = way.settings(CAP);
        let server = way.plan(COUNT, CAP).start();
        let pool = pool(&server.url());
        let mut stream = way.read_in(&pool, CAP);
        take(&mut stream, 13).await;
        let token = stream.resume_token();

        let yaml = serde_yaml_ng::to_string(&paging).unwrap();
        let json = serde_json::to_string(&envelope).unwrap();
        let again: Paging = serde_yaml_ng::from_str(&yaml).unwrap();
        assert_eq!(again, paging, "{}: {yaml}", way.name);
        let also: Envelope = serde_json::from_str(&json).unwrap();
        let rest = PaginatedStream::get(&pool, "/rows").paging(again).envelope(also);
        let (rest, error) = read(rest.resume_from(token)).await;
        assert!(error.is_none(), "{}: {error:?}\n{yaml}\n{json}", way.name);
        assert_eq!(ids(&rest), ids(&rows(COUNT)[13..]), "{}", way.name);
    })
    .await;
}
