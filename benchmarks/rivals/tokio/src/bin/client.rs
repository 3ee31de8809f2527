//! hyper on tokio, current_thread: `total` GETs of `url` over `connections` connections: seconds for all.
use hyper::{Body, Client, Uri};
use rivals::{count, cpu, peak, print, prove, text};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

async fn fetch_all(url: Uri, total: usize, connections: usize) -> usize {
    let client = Client::builder().pool_max_idle_per_host(connections).build_http::<Body>();
    let left = Rc::new(Cell::new(total));
    let workers: Vec<_> = (0..connections)
        .map(|_| {
            let (client, url, left) = (client.clone(), url.clone(), left.clone());
            tokio::task::spawn_local(async move {
                let mut good = 0;
                while left.get() > 0 {
                    left.set(left.get() - 1);
                    let response = client.get(url.clone()).await.unwrap();
                    let status = response.status();
                    let body = hyper::body::to_bytes(response.into_body()).await.unwrap();
                    good += (status == 200 && &body[..] == b"Hello, World!") as usize;
                }
                good
            })
        })
        .collect();
    let mut good = 0;
    for worker in workers {
        good += worker.await.unwrap();
    }
    good
}

fn main() {
    let url: Uri = text("url", "http://127.0.0.1:9280/").parse().unwrap();
    let (total, connections) = (count("total", 10000), count("connections", 100));
    let begin = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let good = tokio::task::LocalSet::new().block_on(&runtime, fetch_all(url, total, connections));
    let seconds = begin.elapsed().as_secs_f64();
    prove(good == total, "every answer was 200 and Hello, World!");
    print("http_client", "hyper", seconds, "s", &[("cpu_s", cpu()), ("peak_mib", peak() / 1048576.0)]);
}
