ln dir/one dir/two
