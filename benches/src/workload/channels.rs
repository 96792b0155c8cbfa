//! Tasks that send messages to each other, by channels that know no runtime.

use crate::runtime::Calls;

/// Two tasks hand a message back and forth.
pub(super) async fn ping_pong<C: Calls>(calls: C, count: usize) {
    let (ping, pinged) = async_channel::bounded::<usize>(1);
    let (pong, ponged) = async_channel::bounded::<usize>(1);
    let other = calls.spawn(async move {
        while let Ok(message) = pinged.recv().await {
            pong.send(message).await.expect("the other side listens");
        }
    });
    let this = calls.spawn(async move {
        for message in 0..count {
            ping.send(message).await.expect("the other side listens");
            let echo = ponged.recv().await.expect("the other side answers");
            assert_eq!(echo, message);
        }
    });
    calls.join(this).await;
    calls.join(other).await;
}

/// A thousand tasks send so many messages to one, in all.
pub(super) async fn fan_in<C: Calls>(calls: C, count: usize) {
    const SENDERS: usize = 1000;
    const BOUND: usize = 1024;
    let (sender, receiver) = async_channel::bounded::<usize>(BOUND);
    let sends = |_| {
        let sender = sender.clone();
        calls.spawn(async move {
            for message in 0..count / SENDERS {
                sender.send(message).await.expect("the other side listens");
            }
        })
    };
    let handles: Vec<_> = (0..SENDERS).map(sends).collect();
    drop(sender);
    let sum = calls.spawn(async move {
        let mut received = 0;
        while receiver.recv().await.is_ok() {
            received += 1;
        }
        received
    });
    assert_eq!(calls.join(sum).await, count / SENDERS * SENDERS);
    for handle in handles {
        calls.join(handle).await;
    }
}
