mkdir tree
ln -s dir to-dir
ln -s file to-file
ln -s to-file chain
ln -s /file absolute
ln -s nowhere tree/dangling
ln -s ../dir tree/dir
ln -s ../file tree/up
