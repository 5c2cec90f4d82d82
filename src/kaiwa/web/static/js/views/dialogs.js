/** What is opened now and then: each comes from the server when it is first asked for. */

/** @import {Controller} from '../controller.js' */

export const openAccount = later(async () => (await import('./account.js')).openAccount);
export const openInside = later(async () => (await import('./inside.js')).openInside);
export const openMembers = later(async () => (await import('./members.js')).openMembers);
export const openModels = later(async () => (await import('./models.js')).openModels);
export const openPreferences = later(async () => (await import('./preferences.js')).openPreferences);
export const openSettings = later(async () => (await import('./settings.js')).openSettings);
export const openShare = later(async () => (await import('./share.js')).openShare);

/**
 * @template {unknown[]} More
 * @param {() => Promise<(controller: Controller, ...more: More) => void>} load
 * @returns {(controller: Controller, ...more: More) => Promise<void>}
 */
function later(load) {
  return async (controller, ...more) => {
    try {
      const open = await load();
      open(controller, ...more);
    } catch (error) {
      controller.trouble('page.part', error);
    }
  };
}
