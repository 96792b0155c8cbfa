//! First things first.
#![allow(unsafe_code, reason = "x")]
use dtact_bridge::*;

fn runtime(workers: usize, stackful: bool) -> Runtime {
    let builder = Builder::new().workers(workers).stack("64K");
    let builder = if stackful { unsafe { builder.enable_stackful() } } else { builder };
    builder.build().unwrap()
}

#[test]
fn value() {
    for workers in [1, 2, 8] {
        for stackful in [false, true] {
            let rt = runtime(workers, stackful);
            assert_eq!(rt.block_on(rt.spawn(async { 42 })).unwrap(), 42);
            let h = rt.spawn_with_stack("64K", move || {
                let mut sum = 0;
                for i in 0..100u64 { sum += wait(spawn(async move { yield_now().await; i })).unwrap(); wait(yield_now()); }
                sum
            });
            assert_eq!(h.wait().unwrap(), 4950);
            let h = rt.spawn_with_stack("1M", move || wait(spawn(async { wait(yield_now()); 7 })).unwrap());
            assert_eq!(h.wait().unwrap(), 7);
            println!("{:?}", rt.metrics());
        }
    }
}
#[test]
fn many() {
    for workers in [1,2,8] {
    let rt = runtime(workers, true);
    let n = rt.block_on(rt.spawn(async {
        let hs: Vec<_> = (0..100_000u64).map(|i| spawn(async move { i })).collect();
        let mut s = 0;
        for h in hs { s += h.await.unwrap(); }
        s
    })).unwrap();
    assert_eq!(n, 100_000u64 * 99_999 / 2);
    }
}
#[test]
fn dropped_parked() {
    for stackful in [false, true] {
    let rt = runtime(2, stackful);
    struct D(std::sync::Arc<std::sync::atomic::AtomicU32>);
    impl Drop for D { fn drop(&mut self) { self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst); } }
    let c = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let (d1,d2,d3) = (D(c.clone()),D(c.clone()),D(c.clone()));
    let h1 = rt.spawn(async move { let _d = d1; std::future::pending::<()>().await });
    let h2 = rt.spawn(async move { let _d = d2; wait(std::future::pending::<()>()) });
    let h3 = rt.spawn_with_stack("64K", move || { let _d = d3; wait(std::future::pending::<()>()) });
    std::thread::sleep(std::time::Duration::from_millis(50));
    drop(rt);
    assert_eq!(c.load(std::sync::atomic::Ordering::SeqCst), 3);
    assert!(h1.wait().unwrap_err().is_cancelled());
    assert!(h2.wait().unwrap_err().is_cancelled());
    assert!(h3.wait().unwrap_err().is_cancelled());
    }
}
