//! hyper on tokio, current_thread: answers "Hello, World!" on 127.0.0.1. port=…
use hyper::service::{make_service_fn, service_fn};
use hyper::{Body, Request, Response, Server};
use std::convert::Infallible;

async fn hello(_: Request<Body>) -> Result<Response<Body>, Infallible> {
    Ok(Response::builder().header("content-type", "text/plain").body(Body::from("Hello, World!")).unwrap())
}

async fn serve() -> hyper::Result<()> {
    let service = make_service_fn(|_| async { Ok::<_, Infallible>(service_fn(hello)) });
    let address = ([127, 0, 0, 1], rivals::count("port", 9500) as u16).into();
    Server::bind(&address).tcp_nodelay(true).http1_only(true).serve(service).await
}

fn main() {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(serve()).unwrap()
}
