//! The table of sentences and their translations that the pages' matcher is held to as well (`ui/src/lib/i18n/sentences.test.ts`).

use catalogue::{Catalogue, pairs};

#[test]
fn sentences_are_translated_as_the_table_says() {
    let catalogue = Catalogue::read(include_str!("sentences.po"));
    let table = pairs(include_str!("translations.po"));
    assert!(table.len() > 15, "the table cannot be read");
    for (english, chinese) in table {
        assert_eq!(catalogue.translate(english), chinese, "{english}");
    }
}
