//! Moves frames between a stream and its link, until one of them ends.
//!
//! Runs inside the task of its connection, polled by the handler, so that a frame costs no hop between tasks.

use core::future::poll_fn;
use core::pin::pin;
use std::io;

use futures::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::event::DisconnectReason;
use crate::frame::{Deframer, Frame};
use crate::limits::{BATCH_BYTES, FRAME_STALL, LINGER, WRITE_STALL};
use crate::link::Waiting;
use crate::policies::Allowance;
use crate::switchboard::LiveLink;

/// Drives one stream to its end and says how it ended.
pub(crate) async fn drive<S>(stream: S, live: LiveLink) -> DisconnectReason
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (reader, writer) = stream.split();
    let mut receive = pin!(receive(reader, &live));
    let mut transmit = pin!(transmit(writer, &live));
    let farewell = async {
        live.link.closing.notified().await;
        sleep(LINGER).await;
    };
    let reason = tokio::select! {
        biased;
        reason = &mut receive => reason,
        written = &mut transmit => match written {
            Ok(()) => {
                // Our last frames are on their way; the peer closes when it has them.
                timeout(LINGER, receive).await.unwrap_or(DisconnectReason::Requested)
            }
            Err(reason) => reason,
        },
        () = farewell => DisconnectReason::Requested,
    };
    live.close(reason);
    reason
}

/// Writes what is queued until the queue is closed and empty.
async fn transmit<W>(mut writer: W, live: &LiveLink) -> Result<(), DisconnectReason>
where
    W: AsyncWrite + Unpin,
{
    let mut buffer = Vec::with_capacity(BATCH_BYTES);
    loop {
        buffer.clear();
        buffer.shrink_to(2 * BATCH_BYTES);
        let Some(batch) = poll_fn(|cx| live.link.poll_batch(cx, &mut buffer)).await else {
            break;
        };
        in_time(writer.write_all(&buffer)).await?;
        live.board.meters.frames_out.add(batch.frames);
        live.board.meters.bytes_out.add(batch.bytes);
        match live.link.settle(batch, live.outgoing_total()) {
            Waiting::Nothing => in_time(writer.flush()).await?,
            Waiting::More => {}
        }
    }
    in_time(writer.close()).await
}

/// A write that the peer must allow within [`WRITE_STALL`].
async fn in_time(write: impl Future<Output = io::Result<()>>) -> Result<(), DisconnectReason> {
    match timeout(WRITE_STALL, write).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(DisconnectReason::ConnectionLost),
        Err(_) => Err(DisconnectReason::WriteStalled),
    }
}

/// Reads frames and hands them over until the stream ends or breaks a rule. Frames that come after the gate was shut
/// are read and dropped, so that the peer's end is seen.
async fn receive<R>(mut reader: R, live: &LiveLink) -> DisconnectReason
where
    R: AsyncRead + Unpin,
{
    let mut deframer = Deframer::new();
    let allowance = Allowance::default();
    // When the frame that has begun must be complete.
    let mut until = None;
    loop {
        loop {
            match deframer.next_frame() {
                Ok(Some(frame)) => {
                    take(frame, &allowance, live).await;
                    until = None;
                }
                Ok(None) => break,
                Err(error) => return DisconnectReason::BadFrame(error),
            }
        }
        let read = if deframer.is_inside_frame() {
            let until = *until.get_or_insert_with(|| Instant::now() + FRAME_STALL);
            match timeout_at(until, reader.read(deframer.space())).await {
                Ok(read) => read,
                Err(_) => return DisconnectReason::FrameStalled,
            }
        } else {
            reader.read(deframer.space()).await
        };
        match read {
            Ok(0) => return DisconnectReason::ClosedByPeer,
            Ok(count) => deframer.advance(count),
            Err(_) => return DisconnectReason::ConnectionLost,
        }
    }
}

/// Hands one frame over when the peer's allowance and the consumer's room permit.
async fn take(frame: Frame, allowance: &Allowance, live: &LiveLink) {
    let bytes = frame.length();
    if let Some(wait) = live.board.policies.charge(allowance, bytes) {
        live.board.meters.throttled.count();
        sleep(wait).await;
    }
    let room = live.room_for(&frame).await;
    if live.link.deliver(frame, room).is_ok() {
        live.board.meters.frames_in.count();
        live.board.meters.bytes_in.add(bytes);
    }
}

#[cfg(test)]
mod tests;
