//! The way of the data plane's workers to the control plane.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// The control plane's runtime.
#[derive(Clone, Debug)]
pub struct Control(pub Handle);

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// It took too long.
    Late,
    /// It panicked; the log has it.
    Broken,
}

impl Control {
    /// Does some work, on the control plane, and stops when nobody waits for it any more.
    ///
    /// # Errors
    /// See [`Unanswered`].
    pub async fn run<T: Send + 'static>(
        &self,
        patience: Duration,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Unanswered> {
        self.go_on(patience, Box::pin(work)).await
    }

    /// The same of what is done at once most often, by what memory holds: that is not worth the way to another thread and back. What has
    /// to wait goes on there.
    ///
    /// # Errors
    /// See [`Unanswered`].
    pub async fn run_from_here<T: Send + 'static>(
        &self,
        patience: Duration,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Unanswered> {
        let mut work = Box::pin(work);
        let begun = poll_fn(|context| Poll::Ready(catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)))));
        match begun.await {
            Ok(Poll::Ready(done)) => Ok(done),
            Ok(Poll::Pending) => self.go_on(patience, work).await,
            Err(_) => Err(Unanswered::Broken),
        }
    }

    async fn go_on<T: Send + 'static>(
        &self,
        patience: Duration,
        work: Pin<Box<dyn Future<Output = T> + Send>>,
    ) -> Result<T, Unanswered> {
        let task = self.0.spawn(async move { tokio::time::timeout(patience, work).await });
        match Running(task).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(_)) => Err(Unanswered::Late),
            Err(_) => Err(Unanswered::Broken),
        }
    }
}

/// A task that ends when nobody waits for it.
struct Running<T>(JoinHandle<T>);

impl<T> Future for Running<T> {
    type Output = Result<T, tokio::task::JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut std::task::Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context)
    }
}

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::{Control, Unanswered};
    use std::time::Duration;

    const LONG: Duration = Duration::from_secs(60);

    /// A runtime of two threads, and this one.
    fn control() -> (tokio::runtime::Runtime, Control) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let control = Control(runtime.handle().clone());
        (runtime, control)
    }

    #[test]
    fn what_is_done_at_once_is_done_here_and_the_rest_there() {
        let (_there, control) = control();
        let here = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let thread = || std::thread::current().id();
        here.block_on(async {
            assert_eq!(control.run_from_here(LONG, async move { thread() }).await, Ok(thread()));
            assert_ne!(control.run(LONG, async move { thread() }).await, Ok(thread()));
            let both = control.run_from_here(LONG, async move {
                let first = thread();
                tokio::task::yield_now().await;
                (first, thread())
            });
            let (first, second) = both.await.unwrap();
            assert_eq!(first, thread());
            assert_ne!(second, thread());
        });
    }

    #[test]
    fn what_takes_too_long_or_panics_is_told_apart() {
        let (_there, control) = control();
        let here = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        here.block_on(async {
            let moment = Duration::from_millis(10);
            assert_eq!(control.run(moment, std::future::pending::<()>()).await, Err(Unanswered::Late));
            assert_eq!(control.run_from_here(moment, std::future::pending::<()>()).await, Err(Unanswered::Late));
            assert_eq!(control.run_from_here(LONG, async { panic!("a bug") }).await, Err::<(), _>(Unanswered::Broken));
            assert_eq!(control.run(LONG, async { panic!("a bug") }).await, Err::<(), _>(Unanswered::Broken));
        });
    }
}
