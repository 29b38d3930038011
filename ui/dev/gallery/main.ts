// Every building block on one page, at /dev/gallery/ of `npm run dev`; ?theme=dark and ?locale=zh-CN change how it looks.
import { mount } from 'svelte';
import { preferred, setLocale } from '../../src/lib/i18n/index.svelte';
import '../../src/lib/style/base.css';
import '../../src/lib/style/reset.css';
import '../../src/lib/style/theme.css';
import Gallery from './Gallery.svelte';

const asked = new URLSearchParams(location.search);
document.documentElement.dataset.theme = asked.get('theme') ?? 'system';
setLocale(preferred([asked.get('locale') ?? 'en']));
mount(Gallery, { target: document.getElementById('app')! });
