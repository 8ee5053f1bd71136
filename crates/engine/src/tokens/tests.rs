//! The fold of tokens by itself.

use super::*;

const DAY: u64 = 86_400_000;

fn grant(byte: u8, expires: Option<u64>) -> TokenGrant {
    TokenGrant {
        id: TokenId::from_bytes([byte; 8]),
        label: "shop".to_owned(),
        secret_hash: Digest::from_bytes([byte; 32]),
        scope: TokenScope::Pay { budget: MilliSats::from_const(1_000), payment_max: None },
        issued: Timestamp::from_unix_ms(0),
        expires: expires.map(Timestamp::from_unix_ms),
    }
}

const fn key(byte: u8) -> RequestKey {
    RequestKey::from_bytes([byte; 16])
}

fn charged(byte: u8, amount: u64) -> TokenEvent {
    let token = TokenId::from_bytes([1; 8]);
    TokenEvent::Charged { token, key: key(byte), amount: MilliSats::from_const(amount) }
}

fn book(events: &[TokenEvent]) -> TokenBook {
    let mut book = TokenBook::default();
    events.iter().for_each(|event| book.apply(event));
    book
}

fn spent(book: &TokenBook) -> u64 {
    book.find(&TokenId::from_bytes([1; 8])).unwrap().spent.to_msat()
}

#[test]
fn what_was_charged_is_taken_back_once_and_not_after_its_outcome() {
    let mut book = book(&[TokenEvent::Issued(grant(1, None)), charged(1, 300), charged(2, 500)]);
    assert_eq!(spent(&book), 800);
    book.apply(&TokenEvent::Credited { keys: vec![key(1), key(1), key(9)] });
    assert_eq!(spent(&book), 500);
    book.settle(&[key(2)]);
    book.apply(&TokenEvent::Credited { keys: vec![key(2)] });
    assert_eq!(spent(&book), 500);
    assert!(book.is_settled());
}

#[test]
#[should_panic(expected = "more than token")]
fn no_log_takes_a_token_beyond_its_budget() {
    book(&[TokenEvent::Issued(grant(1, None)), charged(1, 600), charged(2, 401)]);
}

#[test]
fn what_comes_back_to_a_revoked_token_is_nobodys() {
    let mut book = book(&[TokenEvent::Issued(grant(1, None)), charged(1, 600)]);
    book.apply(&TokenEvent::Revoked(TokenId::from_bytes([1; 8])));
    book.apply(&TokenEvent::Credited { keys: vec![key(1)] });
    assert_eq!(book, TokenBook::default());
}

#[test]
fn an_expired_token_is_forgotten_a_day_later_when_another_is_made() {
    let mut book = book(&[TokenEvent::Issued(grant(1, Some(DAY)))]);
    for (at, left) in [(2 * DAY, 2), (2 * DAY + 1, 2)] {
        let byte = u8::try_from(book.all().count() + usize::from(at > 2 * DAY)).unwrap();
        let issued = Timestamp::from_unix_ms(at);
        book.apply(&TokenEvent::Issued(TokenGrant { issued, ..grant(byte + 1, None) }));
        assert_eq!(book.all().count(), left, "at {at}");
    }
}

#[test]
fn a_book_is_read_as_it_was_written() {
    let book = book(&[TokenEvent::Issued(grant(1, Some(DAY))), charged(1, 300)]);
    let bytes = minicbor::to_vec(&book).unwrap();
    assert_eq!(minicbor::decode::<TokenBook>(&bytes).unwrap(), book);
}
