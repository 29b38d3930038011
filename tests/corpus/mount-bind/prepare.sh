ln -s sub/file link
