def view(): pass
