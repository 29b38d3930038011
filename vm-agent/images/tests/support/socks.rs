//! A SOCKS5 proxy that wants a password, takes names only, and leads every one of them to the same address.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

/// The proxy's URL, and the names that it was asked for.
pub async fn to(target: String) -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = listener.local_addr().unwrap();
    let (asked, names) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (target, asked) = (target.clone(), asked.clone());
            tokio::spawn(async move {
                let mut greeting = [0; 2];
                client.read_exact(&mut greeting).await?;
                let mut methods = vec![0; greeting[1].into()];
                client.read_exact(&mut methods).await?;
                assert!(methods.contains(&2), "{methods:?}");
                client.write_all(&[5, 2]).await?;
                let mut login = vec![0; 1 + 1 + 5 + 1 + 6];
                client.read_exact(&mut login).await?;
                assert_eq!(login, b"\x01\x05berth\x06secret");
                client.write_all(&[1, 0]).await?;
                let mut head = [0; 5];
                client.read_exact(&mut head).await?;
                assert_eq!(head[..4], [5, 1, 0, 3], "a name, to be resolved by the proxy");
                let mut rest = vec![0; usize::from(head[4]) + 2];
                client.read_exact(&mut rest).await?;
                let _ = asked.send(String::from_utf8_lossy(&rest[..rest.len() - 2]).into_owned());
                let mut upstream = tokio::net::TcpStream::connect(&target).await?;
                client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
                tokio::io::copy_bidirectional(&mut client, &mut upstream).await
            });
        }
    });
    (format!("socks5h://berth:secret@{proxy}"), names)
}
