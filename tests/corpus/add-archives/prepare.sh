mkdir -p in/dir in/empty
echo one >in/one
echo two >in/dir/two
ln -s one in/link
ln in/one in/hard
chmod 4711 in/dir/two
chmod 1700 in/empty
pack() { tar --sort=name --mtime=@1000000000 --owner=5 --group=6 --numeric-owner "$@" -C in .; }
pack -cf plain.tar
pack -czf packed.tar.gz
pack -cjf packed.tbz
pack -cJf packed.xz
zstd -q plain.tar -o packed.zst
cp packed.tar.gz misnamed.txt
echo 'no archive' >notes.tar
gzip -nc notes.tar >fake.tar.gz
rm -r in
