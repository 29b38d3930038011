import type { Build, BuildStatus } from '$lib/api/builds';
import type { ImageSummary } from '$lib/api/generated';
import { shortId } from '$lib/api/names';
import type { IconName } from '$lib/kit/icons';
import { byNumber, byText } from '$lib/kit/table';
import type { Tone } from '$lib/kit/tone';
import { instant } from '$lib/live/clock';

export const STATUSES = ['running', 'completed', 'error', 'canceled'] as const satisfies readonly BuildStatus[];
export type Show = 'all' | BuildStatus;

export const TONES: Record<BuildStatus, Tone> = { running: 'info', completed: 'good', error: 'bad', canceled: 'quiet' };

/** None for what runs: that turns. */
export const STATUS_ICONS: Record<BuildStatus, IconName | undefined> = {
  running: undefined,
  completed: 'check',
  error: 'error',
  canceled: 'clear',
};

/** How long it took, or takes so far, in milliseconds; undefined where the engine gave no times. */
export function took({ CreatedAt, CompletedAt }: Build, now: number): number | undefined {
  const from = instant(CreatedAt);
  const to = CompletedAt === null ? now : instant(CompletedAt);
  return from === undefined || to === undefined ? undefined : Math.max(0, to - from);
}

/** A name as people write it: Docker Hub and its library go without saying. */
export function familiar(tag: string): string {
  return tag.replace(/^docker\.io\/(library\/(?=[^/]+$))?/, '');
}

/** An image that a build made. */
export interface Made {
  /** What it is called, or its ID in short. */
  name: string;
  /** What the engine finds it by; undefined if it is not here any more. */
  target: string | undefined;
}

/** The images that came of a build, among those that the engine has; undefined where these are not known yet. */
export function made({ Tags, ImageID, Status }: Build, images: readonly ImageSummary[] | undefined): Made[] {
  if (Status !== 'completed') return [];
  const here = images?.find(({ Id }) => Id === ImageID);
  const byId = here !== undefined || (images === undefined && ImageID !== '') ? ImageID : undefined;
  if (Tags.length === 0) return ImageID === '' ? [] : [{ name: shortId(ImageID), target: byId }];
  return Tags.map(familiar).map((name) => {
    // By its ID where the name is not this image's: a later build may have taken it.
    const isNamed = here?.RepoTags?.includes(name) ?? false;
    return { name, target: isNamed ? name : byId };
  });
}

/** Those in which each word that was typed occurs, and that are as they shall be. */
export function matching(builds: readonly Build[], typed: string, show: Show): Build[] {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  return builds.filter(({ Status, Name, Ref, Dockerfile, Context, Target, Platform, Tags }) => {
    if (show !== 'all' && Status !== show) return false;
    const text = [Name, Ref, Dockerfile, Context, Target, Platform, ...Tags].join('\n').toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

export const by = {
  name: byText<Build>(({ Name }) => Name),
  status: byNumber<Build>(({ Status }) => STATUSES.indexOf(Status)),
  created: byNumber<Build>(({ CreatedAt }) => instant(CreatedAt)),
  steps: byNumber<Build>(({ Steps }) => Steps.Total),
  images: byText<Build>(({ Tags }) => Tags[0] ?? ''),
  took: (now: () => number) => byNumber<Build>((build) => took(build, now())),
};
