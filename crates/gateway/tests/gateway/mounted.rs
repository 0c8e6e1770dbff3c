//! The gateway as a part of an application.

use std::{net::TcpListener, sync::mpsc, thread};

use actix_web::{App, HttpServer, web};
use vantage_api_gateway::{Gateway, TableConfig};

use crate::support::{Connection, LONG, cities};

#[test]
fn it_is_mounted_below_its_prefix_in_an_application() {
    let gateway = Gateway::builder()
        .without_auth()
        .prefix("/gateway")
        .table("cities", TableConfig::new(cities()))
        .build()
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (told, handle) = mpsc::channel();
    let thread = thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let server = HttpServer::new(move || {
                App::new()
                    .route("/own", web::get().to(async || "own"))
                    .service(web::scope("/a%20b").configure(|app| gateway.configure(app)))
                    .configure(|app| gateway.configure(app))
            })
            .workers(1)
            .disable_signals()
            .listen(listener)
            .unwrap()
            .run();
            told.send(server.handle()).unwrap();
            server.await.unwrap();
        });
    });
    let handle = handle.recv_timeout(LONG).unwrap();
    let get = |path: &str| Connection::open(address).send("GET", path, &[], "");
    assert_eq!(get("/own").text(), "own");
    assert_eq!(get("/gateway/tables/cities/7").json()["name"], "Riga");
    assert_eq!(get("/gateway/tables/cities/%37").json()["name"], "Riga");
    assert_eq!(get("/gateway/tables/cities/..%2f7").status, 404);
    assert_eq!(get("/gateway/nothing").kind(), "not_found");
    assert_eq!(get("/nothing").status, 404);
    assert_eq!(get("/api/v1/tables").status, 404);
    drop(handle.stop(false));
    thread.join().unwrap();
}
