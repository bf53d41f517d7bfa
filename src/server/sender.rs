//! Snapshots on their way to replicas: a finished RDB file to one of them, or a snapshot being
//! encoded to several at once.

use std::rc::Rc;

use bytes::Bytes;

use super::bell::Bell;
use super::files::Failure;
use super::saver::{OpeningGuard, Pace};
use super::shell::Shell;
use super::transfer::{Piece, Pieces};
use crate::codec::rdb;
use crate::env::{Background, Disk, DiskReader, Env, LogLevel};
use crate::node::SnapshotJob;

/// Bytes of a file read and sent at once.
const FILE_PIECE_BYTES: usize = 64 * 1024;

/// The connection is gone: no one is left to be told.
struct Gone;

/// Sends a file as `$<length>\r\n` and its bytes. The connection reports the end of it.
pub(super) async fn send_file<E: Env>(
    shell: Rc<Shell<E>>,
    pieces: Pieces,
    path: String,
    opening: OpeningGuard,
) {
    let opened = shell.env.disk().open(&path).await;
    drop(opening);
    let sent = match opened {
        Ok(reader) => send_opened(&reader, &pieces).await,
        Err(error) => Err(error),
    };
    if let Err(error) = sent {
        let failure =
            Failure::new(format_args!("Read error sending DB to replica: {path}"), &error);
        shell.log(LogLevel::Warning, failure.to_string());
    }
    // Dropping `pieces` without `Piece::End` ends the connection.
}

async fn send_opened<R: DiskReader>(reader: &R, pieces: &Pieces) -> std::io::Result<()> {
    let length_bytes = reader.len_bytes();
    let header = Bytes::from(format!("${length_bytes}\r\n"));
    if send(pieces, header).await.is_err() {
        return Ok(());
    }
    let mut offset = 0;
    while offset < length_bytes {
        let piece = reader.read_at(offset, FILE_PIECE_BYTES).await?;
        if piece.is_empty() {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        offset += piece.len() as u64;
        if send(pieces, piece).await.is_err() {
            return Ok(());
        }
    }
    // A connection that is gone needs no end.
    let _ = pieces.send(Piece::End).await;
    Ok(())
}

async fn send(pieces: &Pieces, bytes: Bytes) -> Result<(), Gone> {
    pieces.send(Piece::Bytes(bytes)).await.map_err(|_| Gone)
}

/// Sends a snapshot to all of `replicas` at the pace of the slowest, and tells the node when
/// the last byte has left for all of them.
pub(super) async fn send_stream<E: Env>(
    shell: Rc<Shell<E>>,
    stop: Rc<Bell>,
    job: u64,
    snapshot: SnapshotJob,
    eof_mark: [u8; 40],
    replicas: Vec<Pieces>,
) {
    let outcome = tokio::select! {
        biased;
        () = stop.wait() => return,
        outcome = stream(&shell, job, snapshot, eof_mark, replicas) => outcome,
    };
    shell.awake().await;
    if stop.is_rung() {
        return;
    }
    shell.stream_ended(job);
    shell.with(|node, now| node.stream_finished(now, job, outcome));
}

/// The number of replicas that were still there at the end.
async fn stream<E: Env>(
    shell: &Rc<Shell<E>>,
    job: u64,
    snapshot: SnapshotJob,
    eof_mark: [u8; 40],
    mut replicas: Vec<Pieces>,
) -> Result<usize, String> {
    let mark = Bytes::copy_from_slice(&eof_mark);
    let mut header = Vec::with_capacity(5 + mark.len() + 2);
    header.extend_from_slice(b"$EOF:");
    header.extend_from_slice(&mark);
    header.extend_from_slice(b"\r\n");
    send_all(&mut replicas, &Bytes::from(header)).await?;

    let mut pace = Pace::new(snapshot.delay_per_key);
    let mut chunks = shell.env.background(rdb::encode(snapshot));
    while let Some(chunk) = chunks.next().await {
        pace.keys(chunk.keys).await;
        send_all(&mut replicas, &chunk.bytes).await?;
        shell.awake().await;
        shell.with(|node, _| node.snapshot_progress(job, chunk.keys));
    }
    send_all(&mut replicas, &mark).await?;

    for replica in &replicas {
        let _ = replica.send(Piece::End).await;
    }
    let served = replicas.len();
    // A connection lets go of its queue when it has written all of it.
    for replica in &replicas {
        replica.closed().await;
    }
    Ok(served)
}

/// Sends to all, one after the other: the queues are short, so the slowest sets the pace.
async fn send_all(replicas: &mut Vec<Pieces>, bytes: &Bytes) -> Result<(), String> {
    let mut kept = Vec::with_capacity(replicas.len());
    for replica in replicas.drain(..) {
        if send(&replica, bytes.clone()).await.is_ok() {
            kept.push(replica);
        }
    }
    *replicas = kept;
    if replicas.is_empty() {
        return Err("all replicas are gone".to_owned());
    }
    Ok(())
}
