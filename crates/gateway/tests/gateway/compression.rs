//! Answers are compressed if that pays and the client takes it.

use std::io::Read as _;

use vantage_api_gateway::TableConfig;
use vantage_vista::Vista;

use crate::support::{Answer, Served, cities_mock, city, open};

const TABLE: &str = "/api/v1/tables/cities";

fn served(rows: usize) -> Served {
    let mock = cities_mock();
    for id in 11..=rows {
        mock.set_record(id.to_string(), city(&id.to_string(), "Somewhere", "XX", 1));
    }
    let config = TableConfig::new(Vista::new("cities", mock)).page_size(rows, rows);
    Served::start(open().table("cities", config))
}

fn get(served: &Served, accept: &str) -> Answer {
    served.send("GET", TABLE, &[("accept-encoding", accept)], "")
}

fn unzipped(answer: &Answer) -> Vec<u8> {
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&answer.body[..]).read_to_end(&mut plain).unwrap();
    plain
}

#[test]
fn a_long_answer_is_compressed_for_those_who_take_it() {
    for rows in [30, 20_000] {
        let served = served(rows);
        let plain = served.get(TABLE);
        assert_eq!(plain.field("content-encoding"), None);
        assert_eq!(plain.field("vary"), Some("Accept, Accept-Encoding"));
        let zipped = get(&served, "br, gzip");
        assert_eq!(zipped.field("content-encoding"), Some("gzip"));
        assert!(zipped.body.len() < plain.body.len() / 3);
        assert_eq!(unzipped(&zipped), plain.body);
        for accept in ["br", "gzip;q=0", "identity", "*;q=0"] {
            let answer = get(&served, accept);
            assert_eq!((answer.status, answer.body.len()), (200, plain.body.len()), "{accept}");
        }
    }
}

#[test]
fn a_variant_has_a_tag_of_its_own_and_counts_as_the_same_state() {
    let served = served(30);
    let (plain, zipped) = (served.get(TABLE).etag(), get(&served, "gzip").etag());
    assert_ne!(plain, zipped);
    for tag in [&plain, &zipped] {
        for accept in ["gzip", "identity"] {
            let fields = [("accept-encoding", accept), ("if-none-match", tag.as_str())];
            assert_eq!(served.send("GET", TABLE, &fields, "").status, 304);
        }
    }
}

#[test]
fn a_short_answer_goes_out_as_it_is() {
    let served = served(10);
    let answer = served.send("GET", "/api/v1/tables/cities/1", &[("accept-encoding", "gzip")], "");
    assert_eq!(answer.field("content-encoding"), None);
}

#[cfg(feature = "zstd")]
#[test]
fn zstandard_is_preferred_by_those_who_take_it() {
    for rows in [30, 20_000] {
        let served = served(rows);
        let plain = served.get(TABLE);
        let coded = get(&served, "gzip, br, zstd");
        assert_eq!(coded.field("content-encoding"), Some("zstd"));
        assert!(coded.body.len() < get(&served, "gzip").body.len());
        assert_eq!(zstd::bulk::decompress(&coded.body, 16 << 20).unwrap(), plain.body);
        let tag = coded.etag();
        assert!(tag.ends_with("-zstd\"") && tag != plain.etag(), "{tag}");
        let fields = [("accept-encoding", "gzip"), ("if-none-match", tag.as_str())];
        assert_eq!(served.send("GET", TABLE, &fields, "").status, 304);
    }
}
