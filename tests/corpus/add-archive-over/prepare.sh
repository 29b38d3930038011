mkdir -p in/dir in/link
echo new >in/one
echo in >in/dir/in
echo via >in/link/via
echo file >in/gone
tar --sort=name --mtime=@1000000000 --owner=0 --group=0 --numeric-owner -cf over.tar -C in one dir gone
rm -r in
