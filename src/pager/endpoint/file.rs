//! Responses whose body is a compressed file.

use http::header::CONTENT_TYPE;

use crate::{error::Error, response::Response, transport::decompressed_file};

/// A response whose body is a compressed file, with the content of the file, of which a content type
/// says nothing that means a file.
pub(super) async fn content_of_file(response: Response, most: usize) -> Result<Response, Error> {
    let content = decompressed_file(response.body(), most).await;
    let content = content.map_err(|error| error.with_response(response.without_body()))?;
    let Some(content) = content else { return Ok(response) };
    let mut response = response.with_body(content);
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.unwrap_or_default().to_ascii_lowercase();
    if ["gzip", "zstd", "octet-stream"].iter().any(|of_file| kind.contains(of_file)) {
        response.headers_mut().remove(CONTENT_TYPE);
    }
    Ok(response)
}
