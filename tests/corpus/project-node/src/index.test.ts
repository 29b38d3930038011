fail();
