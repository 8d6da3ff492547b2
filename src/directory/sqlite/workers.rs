//! Threads that own connections and run jobs on them.
//!
//! SQLite blocks, so it lives on threads of its own. A job goes through a bounded channel and answers through a oneshot,
//! both of which work from any async runtime. A thread connects when it first has work, and again after a job panicked.

use crate::directory::StoreError;
use parking_lot::Mutex;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use tokio::sync::{mpsc, oneshot};

/// As many jobs may wait; whoever comes later waits at the door.
const QUEUE: usize = 256;
const STACK: usize = 512 * 1024;

type Job<C> = Box<dyn FnOnce(Result<&mut C, StoreError>) + Send>;

/// Some threads that share a queue of jobs, each with a connection `C` of its own.
pub(super) struct Workers<C> {
    /// Closed by dropping it, which ends the threads.
    jobs: Option<mpsc::Sender<Job<C>>>,
    threads: Vec<JoinHandle<()>>,
}

impl<C: Send + 'static> Workers<C> {
    /// Starts one thread for each of `connections`; one that is `None` is made by `connect` when there is work. No job gets
    /// one while `stands` says why not.
    pub(super) fn spawn(
        name: &str,
        connections: Vec<Option<C>>,
        connect: impl Fn() -> Result<C, StoreError> + Send + Sync + 'static,
        stands: impl Fn() -> Result<(), StoreError> + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job<C>>(QUEUE);
        let queue = Arc::new(Mutex::new(queue));
        let (connect, stands) = (Arc::new(connect), Arc::new(stands));
        let mut threads = Vec::new();
        for mut connection in connections {
            let (queue, connect, stands) = (Arc::clone(&queue), Arc::clone(&connect), Arc::clone(&stands));
            threads.push(Builder::new().name(name.to_owned()).stack_size(STACK).spawn(move || {
                loop {
                    // The idle threads wait for the lock, one of them for the job.
                    let job = queue.lock().blocking_recv();
                    let Some(job) = job else { return };
                    let done = catch_unwind(AssertUnwindSafe(|| match (stands(), &mut connection) {
                        (Err(error), _) => job(Err(error)),
                        (Ok(()), Some(connected)) => job(Ok(connected)),
                        (Ok(()), none) => match connect() {
                            Ok(connected) => job(Ok(none.insert(connected))),
                            Err(error) => job(Err(error)),
                        },
                    }));
                    if done.is_err() {
                        connection = None;
                    }
                }
            })?);
        }
        Ok(Self { jobs: Some(jobs), threads })
    }

    /// Runs a job on one of the threads. A job whose caller has gone before it began is not run.
    pub(super) async fn run<T, E>(&self, work: impl FnOnce(&mut C) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let stopped = || E::from(StoreError::Unavailable("it has stopped".to_owned()));
        let (reply, answer) = oneshot::channel();
        let job: Job<C> = Box::new(move |connection| {
            if !reply.is_closed() {
                let result = connection.map_err(E::from).and_then(work);
                // The caller may have gone meanwhile.
                let _ = reply.send(result);
            }
        });
        self.jobs.as_ref().ok_or_else(stopped)?.send(job).await.map_err(|_| stopped())?;
        answer.await.unwrap_or_else(|_| Err(StoreError::Broken("a job panicked, see the log".to_owned()).into()))
    }
}

impl<C> Drop for Workers<C> {
    /// Waits for the jobs that were accepted: a connection that is closed in order leaves no log behind.
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // Jobs' panics are caught, so there is nothing to hear.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Answer = Result<u32, StoreError>;

    #[tokio::test]
    async fn a_panic_is_an_error_for_its_caller_only_and_the_connection_is_made_anew() {
        let workers = Workers::spawn("test", vec![None], || Ok(0_u32), || Ok(())).unwrap();
        let count = |n: &mut u32| -> Answer {
            *n += 1;
            Ok(*n)
        };
        assert_eq!(workers.run(count).await, Ok(1));
        assert_eq!(workers.run(count).await, Ok(2));
        let panicked: Answer = workers.run(|_| panic!("a bug")).await;
        assert!(matches!(panicked, Err(StoreError::Broken(_))));
        assert_eq!(workers.run(count).await, Ok(1));
    }

    #[tokio::test]
    async fn a_failed_connection_is_tried_again_with_the_next_job() {
        let tries = std::sync::atomic::AtomicU32::new(0);
        let connect = move || match tries.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0 => Err(StoreError::Unavailable("not yet".into())),
            n => Ok(n),
        };
        let workers = Workers::spawn("test", vec![None], connect, || Ok(())).unwrap();
        let look = |n: &mut u32| -> Answer { Ok(*n) };
        assert!(matches!(workers.run(look).await, Err(StoreError::Unavailable(_))));
        assert_eq!(workers.run(look).await, Ok(1));
    }

    #[tokio::test]
    async fn accepted_jobs_are_done_before_the_threads_end() {
        let workers = Workers::spawn("test", vec![None, None], || Ok(0_u32), || Ok(())).unwrap();
        let (said, heard) = std::sync::mpsc::channel();
        let slow = workers.run(move |_| -> Answer {
            std::thread::sleep(std::time::Duration::from_millis(50));
            let _ = said.send(());
            Ok(0)
        });
        // Polled once, so that the job is in the queue; then its caller goes, as the store does.
        let mut slow = Box::pin(slow);
        assert!(tokio::time::timeout(std::time::Duration::from_millis(10), &mut slow).await.is_err());
        drop(slow);
        drop(workers);
        assert_eq!(heard.try_recv(), Ok(()));
    }
}
