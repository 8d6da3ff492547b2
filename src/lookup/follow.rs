//! What triggers tell: that an object has changed, so that what is kept of it is kept no longer.

use super::cache::Kept;
use super::database::Database;
use super::trigger::CHANNEL;
use crate::directory::postgres::Target;
use futures_util::StreamExt;
use futures_util::stream;
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::AsyncMessage;

/// Between two attempts, at first and at last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// Listens for as long as the process lives. While nobody is listened to, answers are kept for their time alone; whoever listens again may
/// have missed a change, so nothing that was kept before is believed.
pub(super) async fn follow(database: Arc<Database>, kept: Arc<Kept>) {
    let Some(target) = database.tells() else { return };
    let mut pause = PAUSES.0;
    loop {
        match listen(target, database.timeout(), &kept, &mut pause).await {
            Ok(()) => tracing::debug!(database = &*database.name, "changes of objects are not told any more"),
            // A standby tells nothing, and an operator who installed no trigger needs nothing.
            Err(error) => tracing::debug!(database = &*database.name, error, "changes of objects are not told"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

async fn listen(target: &Target, limit: Duration, kept: &Kept, pause: &mut Duration) -> Result<(), String> {
    let listener = target.listener(limit).await;
    let (client, mut connection) = listener.map_err(|error| error.to_string())?;
    let mut messages = stream::poll_fn(move |cx| connection.poll_message(cx));
    let statement = format!("LISTEN {CHANNEL}");
    let begin = client.batch_execute(&statement);
    tokio::pin!(begin);
    let mut has_begun = false;
    loop {
        tokio::select! {
            begun = &mut begin, if !has_begun => {
                begun.map_err(|error| error.to_string())?;
                has_begun = true;
                *pause = PAUSES.0;
                kept.all_changed();
            }
            message = messages.next() => match message {
                Some(Ok(AsyncMessage::Notification(told))) => match told.payload().split_once(' ') {
                    Some((lookup, arg)) => kept.changed(lookup, arg),
                    None => kept.all_changed(),
                },
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.to_string()),
                None => return Ok(()),
            },
        }
    }
}
