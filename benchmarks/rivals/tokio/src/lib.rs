//! What every Rust program of the benchmarks shares: arguments, memory, proof, the line of JSON.
use std::time::Instant;

/// The value of the argument `name=…`, or the fallback.
pub fn text(name: &str, fallback: &str) -> String {
    let prefix = format!("{name}=");
    std::env::args().skip(1).find_map(|a| a.strip_prefix(&prefix).map(str::to_owned)).unwrap_or_else(|| fallback.to_owned())
}
pub fn real(name: &str, fallback: f64) -> f64 {
    text(name, "").parse().unwrap_or(fallback)
}
pub fn count(name: &str, fallback: usize) -> usize {
    real(name, fallback as f64) as usize
}

/// CPU seconds of this process.
pub fn cpu() -> f64 {
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 * 1e-6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}
/// The most bytes that were resident.
pub fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let kib: f64 = status.split("VmHWM:").nth(1).unwrap().split_whitespace().next().unwrap().parse().unwrap();
    kib * 1024.0
}
/// Bytes that are resident now.
pub fn resident() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<f64>().unwrap() * 4096.0
}

/// Ends the program when the work was not done as it should.
pub fn prove(holds: bool, what: &str) {
    if !holds {
        eprintln!("not proved: {what}");
        std::process::exit(1);
    }
}
pub fn ns_each(begin: Instant, n: usize) -> f64 {
    begin.elapsed().as_nanos() as f64 / n as f64
}
pub fn print(job: &str, implementation: &str, value: f64, unit: &str, more: &[(&str, f64)]) {
    let rest: String = more.iter().map(|(name, number)| format!(", \"{name}\": {number:.6}")).collect();
    println!("{{\"job\": \"{job}\", \"impl\": \"{implementation}\", \"value\": {value:.6}, \"unit\": \"{unit}\"{rest}}}");
}
