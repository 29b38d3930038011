n=$(printf "%0100d" 1); mkdir -p dir/$n/$n; echo deep >dir/$n/$n/$n; ln -s $n/$n/$n dir/link
